// SPDX-License-Identifier: Apache-2.0
//
// serial_list - keeps the Length greatest of a sequence of values with their ids, sorted by
// insertion
//
// A new value is compared with the entries from the last up, one per cycle. Lesser entries move
// down by one, and the value goes after the first entry that is not less. The entries are in a
// memory, and there is one comparator, with a register after it. systolic_list takes a value per
// cycle, with a comparator for each entry.
//
// In      in      a value (signed) and its id; valid/ready. Ids ascend, so a value equal to one in
//                 the list goes after it
//         last_i  index of the last entry in use; held while the list is not empty
//         clear_i empties the list, when done_o is high
// Out     full_o  entry last_i holds a value
//         threshold  that value
//         done_o  from the next cycle on, all values that entered before this cycle are in place
//         first   entry 0
//         read    entry read_index_i, a cycle later, once done_o has been high
// Timing  a value that moves n entries takes n + 4 cycles; a value that is not greater than the
//         threshold of a full list takes 2
// Keeps   Length entries in a memory with one write and one read port, and the new value
module serial_list #(
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

  typedef logic [IndexBits-1:0] index_t;

  typedef struct packed {
    logic [ValueBits-1:0] value;
    logic [IdBits-1:0]    id;
  } entry_t;

  typedef enum logic [1:0] {
    StReady,                                     // for a value
    StStart,                                     // the entry before the free one is read
    StCompare,                                   // it is compared, and the one before it is read
    StWalk                                       // it moves down, or the walk ends
  } state_e;

  state_e               state_q, state_d;
  entry_t               walking_q;
  index_t               free_q;                  // the entry that may be written
  index_t               used_q;                  // entries in use, until the list is full
  logic                 full_q;
  logic [ValueBits-1:0] threshold_q;
  entry_t               first_q;

  entry_t               read_q, compared_q;
  index_t               read_index, free_next;
  entry_t               write;
  logic                 write_valid, passes_q;   // the new value passes compared_q

  assign write_valid = state_q == StWalk;
  assign write       = passes_q ? compared_q : walking_q;
  assign free_next   = write_valid ? free_q - index_t'(1) : free_q;

  always_ff @(posedge clk_i) begin
    passes_q   <= free_next != '0 && $signed(read_q.value) < $signed(walking_q.value);
    compared_q <= read_q;
  end

  always_comb begin
    unique case (state_q)
      StStart:   read_index = free_q - index_t'(1);
      StCompare: read_index = free_q - index_t'(2);
      StWalk:    read_index = free_q - index_t'(3);
      default:   read_index = read_index_i;
    endcase
  end

  // While an entry is written, the one three before it is read.
  ram_1r1w #(.Width($bits(entry_t)), .Depth(Length)) u_entries (
    .clk_i,
    .wr_en_i(write_valid), .wr_addr_i(free_q), .wr_strb_i(1'b1), .wr_data_i(write),
    .rd_en_i(1'b1), .rd_addr_i(read_index), .rd_data_o(read_q)
  );

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StReady: if (in_valid_i) state_d = StStart;
      StStart: begin
        if (full_q && $signed(threshold_q) >= $signed(walking_q.value)) state_d = StReady;
        else state_d = StCompare;
      end
      StCompare: state_d = StWalk;
      StWalk:    if (!passes_q) state_d = StReady;
      default:   state_d = StReady;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= StReady;
    else         state_q <= state_d;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      used_q <= '0;
      full_q <= 1'b0;
    end else if (write_valid) begin
      if (free_q == used_q && !full_q) used_q <= used_q + index_t'(1);
      if (free_q == last_i) full_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StReady && in_valid_i) begin
      walking_q <= '{value: in_value_i, id: in_id_i};
      free_q    <= full_q ? last_i : used_q;
    end
    if (write_valid) begin
      free_q <= free_next;
      if (free_q == last_i) threshold_q <= write.value;
      if (free_q == '0) first_q <= write;
    end
  end

  assign in_ready_o    = state_q == StReady;
  assign done_o        = state_d == StReady;
  assign full_o        = full_q;
  assign threshold_o   = threshold_q;
  assign first_value_o = first_q.value;
  assign first_id_o    = first_q.id;
  assign read_value_o  = read_q.value;
  assign read_id_o     = read_q.id;

endmodule
