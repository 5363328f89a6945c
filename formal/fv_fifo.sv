// SPDX-License-Identifier: Apache-2.0
//
// fv_fifo - what is proved of fifo, both forms with the same inputs:
//
//   words leave in the order in which they came, none lost, none twice
//   a word is taken while there is room, and one is offered while there is one; count is their number
//   RegisteredRead 1: the word of a transfer is there one cycle later and stays until the next
//
// Nothing is assumed but a reset at the start.
module fv_fifo (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       wr_valid_i,
  input logic [7:0] wr_data_i,
  input logic       rd_ready_i,
  input logic       mark_i                                 // follow the word that comes now
);

  localparam int unsigned Depth = 8;

  logic       wr_ready, rd_valid, registered_wr_ready, registered_rd_valid;
  logic [7:0] rd_data, registered_rd_data;
  logic [3:0] count, registered_count;

  fifo #(.Width(8), .Depth(Depth)) dut (
    .clk_i, .rst_ni, .wr_valid_i, .wr_ready_o(wr_ready), .wr_data_i,
    .rd_valid_o(rd_valid), .rd_ready_i, .rd_data_o(rd_data), .count_o(count)
  );

  fifo #(.Width(8), .Depth(Depth), .RegisteredRead(1'b1)) registered (
    .clk_i, .rst_ni, .wr_valid_i, .wr_ready_o(registered_wr_ready), .wr_data_i,
    .rd_valid_o(registered_rd_valid), .rd_ready_i, .rd_data_o(registered_rd_data),
    .count_o(registered_count)
  );

  wire push = wr_valid_i && wr_ready;
  wire pop  = rd_valid && rd_ready_i;

  // ------------------------------------------------------- one word, and how many are ahead of it

  logic       first_q = 1'b1;
  logic       marked_q = 1'b0;                             // a word is followed
  logic [7:0] data_q;
  logic [3:0] ahead_q;
  logic [3:0] inside_q = '0;                               // words that came, less those that left
  logic       left_q = 1'b0;                               // a word has left since reset
  logic [7:0] last_q;                                      // and this is the last one

  logic same_words;                                        // both forms hold the same

  always_comb begin
    same_words = 1'b1;
    for (int i = 0; i < int'(Depth); i++) begin
      if (4'(i) < inside_q && dut.gen_regs.mem[3'(dut.rd_count_q + 4'(i))]
                           != registered.gen_ram.u_ram.mem[3'(dut.rd_count_q + 4'(i))]) begin
        same_words = 1'b0;
      end
    end
  end

  always_comb if (first_q) assume (!rst_ni);

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (!rst_ni) begin
      marked_q <= 1'b0;
      inside_q <= '0;
      left_q   <= 1'b0;
    end else begin
      inside_q <= inside_q + 4'(push) - 4'(pop);
      if (pop) begin
        left_q <= 1'b1;
        last_q <= rd_data;
      end
      if (!marked_q) begin
        if (mark_i && push) begin
          marked_q <= 1'b1;
          data_q   <= wr_data_i;
          ahead_q  <= inside_q - 4'(pop);
        end
      end else if (pop) begin
        marked_q <= ahead_q != '0;
        ahead_q  <= ahead_q - 1'b1;
      end
    end

    if (!first_q) begin
      a_count: assert (count == inside_q && count <= 4'(Depth));
      a_room:  assert (wr_ready == (inside_q != 4'(Depth)));
      a_valid: assert (rd_valid == (inside_q != '0));
      a_same:  assert (registered_wr_ready == wr_ready && registered_rd_valid == rd_valid &&
                       registered_count == count);
      a_place: assert (registered.wr_count_q == dut.wr_count_q &&
                       registered.rd_count_q == dut.rd_count_q);
      if (marked_q) begin
        a_ahead: assert (ahead_q < inside_q);
        a_kept:  assert (dut.gen_regs.mem[3'(dut.rd_count_q + ahead_q)] == data_q &&
                         registered.gen_ram.u_ram.mem[3'(dut.rd_count_q + ahead_q)] == data_q);
        a_order: assert (ahead_q != '0 || rd_data == data_q);
      end
      a_words: assert (same_words);
      if (left_q) a_held: assert (registered_rd_data == last_q);
    end
    c_full:  cover (!wr_ready && pop);
    c_wrap:  cover (rst_ni && dut.rd_count_q == 4'd2 && inside_q == 4'd3 && left_q);
    c_order: cover (marked_q && ahead_q == '0 && pop && inside_q == 4'd2);
  end

endmodule
