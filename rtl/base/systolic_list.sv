// SPDX-License-Identifier: Apache-2.0
//
// systolic_list - keeps the Length greatest of a sequence of values with their ids, sorted; takes
// one per cycle
//
// A new value walks down the list, one entry per cycle. It passes entries that are not less, and
// takes the place of the first that is less; from there each entry moves down by one. So each
// comparison drives only one entry. serial_list does the same with a memory and one comparator, in
// more cycles.
//
// In      in      a value (signed) and its id, one per cycle; in_ready_o is always high. Ids
//                 ascend, so a value equal to one in the list goes after it
//         last_i  index of the last entry in use; held while the list is not empty
//         clear_i empties the list; no value may walk then
// Out     full_o  entry last_i held a value in the previous cycle
//         threshold  that value, or an older and lower one, while read_index_i = last_i
//         done_o  always high: from the next cycle on, all values that entered before this cycle
//                 have passed entry 0, and the entries may be read from 0 up, one per cycle
//         first   entry 0
//         read    entry read_index_i, a cycle later
// Keeps   Length entries and as many walking values in registers
module systolic_list #(
  parameter int unsigned Length    = 64,
  parameter int unsigned ValueBits = 32,
  parameter int unsigned IdBits    = 17,
  localparam int unsigned IndexBits = $clog2(Length)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 clear_i,
  input  logic [IndexBits-1:0] last_i,

  input  logic                 in_valid_i,
  output logic                 in_ready_o,
  input  logic [ValueBits-1:0] in_value_i,
  input  logic [IdBits-1:0]    in_id_i,

  output logic                 full_o,
  output logic [ValueBits-1:0] threshold_o,
  output logic                 done_o,
  output logic [ValueBits-1:0] first_value_o,
  output logic [IdBits-1:0]    first_id_o,

  input  logic [IndexBits-1:0] read_index_i,
  output logic [ValueBits-1:0] read_value_o,
  output logic [IdBits-1:0]    read_id_o
);

  // Entry 0 is the greatest. A walking value waits at entry i, and goes into it or on to i + 1.
  logic [Length-1:0][ValueBits-1:0] entry_value_q, walk_value_q;
  logic [Length-1:0][IdBits-1:0]    entry_id_q, walk_id_q;
  logic [Length-1:0]                used_q;      // entries that hold a value
  logic [Length-1:0]                walks_q;     // a value waits at this entry,
  logic [Length-1:0]                moved_q;     // and was an entry: it precedes all later ones

  always_ff @(posedge clk_i) begin
    if (in_valid_i || walks_q != '0) begin
      automatic logic [Length-1:0][ValueBits-1:0] entry_value, walk_value;
      automatic logic [Length-1:0][IdBits-1:0]    entry_id, walk_id;
      automatic logic [Length-1:0]                used, walks, moved;
      entry_value = entry_value_q;
      entry_id    = entry_id_q;
      walk_value  = walk_value_q;
      walk_id     = walk_id_q;
      used        = used_q;
      walks       = '0;
      moved       = '0;
      for (int i = 0; i < int'(Length); i++) begin
        automatic logic enters;                  // the value takes this entry
        enters = !used_q[i] || moved_q[i] ||
                 $signed(entry_value_q[i]) < $signed(walk_value_q[i]);
        if (walks_q[i] && enters) begin
          entry_value[i] = walk_value_q[i];
          entry_id[i]    = walk_id_q[i];
          used[i]        = 1'b1;
        end
        if (walks_q[i] && i + 1 < int'(Length)) begin
          walk_value[i+1] = enters ? entry_value_q[i] : walk_value_q[i];
          walk_id[i+1]    = enters ? entry_id_q[i] : walk_id_q[i];
          moved[i+1]      = enters;
          walks[i+1]      = used_q[i] && last_i != IndexBits'(i);
        end
      end
      walks[0]      = in_valid_i;
      walk_value[0] = in_value_i;
      walk_id[0]    = in_id_i;
      entry_value_q <= entry_value;
      entry_id_q    <= entry_id;
      walk_value_q  <= walk_value;
      walk_id_q     <= walk_id;
      used_q        <= used;
      walks_q       <= walks;
      moved_q       <= moved;
    end
    if (!rst_ni)            walks_q <= '0;
    if (!rst_ni || clear_i) used_q  <= '0;
  end

  logic                 full_q;
  logic [ValueBits-1:0] read_value_q;
  logic [IdBits-1:0]    read_id_q;

  always_ff @(posedge clk_i) begin
    full_q       <= rst_ni && !clear_i && used_q[last_i];
    read_value_q <= entry_value_q[read_index_i];
    read_id_q    <= entry_id_q[read_index_i];
  end

  assign in_ready_o    = 1'b1;
  assign full_o        = full_q;
  assign threshold_o   = read_value_q;
  assign done_o        = 1'b1;
  assign first_value_o = entry_value_q[0];
  assign first_id_o    = entry_id_q[0];
  assign read_value_o  = read_value_q;
  assign read_id_o     = read_id_q;

endmodule
