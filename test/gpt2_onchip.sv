// SPDX-License-Identifier: Apache-2.0
//
// gpt2_onchip - gpt2_top on onchip_memory: a small model that needs no memory outside the chip
//
// The sizes are nano's at 64 lanes: `gpt2rtl info` of its image shows its beats and those of its KV cache.
module gpt2_onchip
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes    = 64,
  parameter int unsigned MaxHeads = 2,
  parameter int unsigned MaxCtx   = 64,
  parameter int unsigned RomBeats = 7209,
  parameter              RomFile  = "build/test/gpt2_onchip.hex",
  parameter int unsigned RamBeats = 528
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  config_t     cfg_i,
  input  sampling_t   sampling_i,
  input  logic        start_i,
  input  logic [31:0] max_new_i,
  output logic        busy_o,
  output logic        done_o,
  output logic [3:0]  error_o,
  output logic [31:0] sat_o,

  input  logic        prompt_valid_i,
  output logic        prompt_ready_o,
  input  logic [16:0] prompt_id_i,
  input  logic        prompt_last_i,
  output logic        tok_valid_o,
  input  logic        tok_ready_i,
  output logic [16:0] tok_id_o
);

  logic                rd_req_valid, rd_req_ready, rd_rsp_valid, rd_rsp_ready;
  logic [AddrBits-1:0] rd_req_addr, wr_addr;
  logic [7:0]          rd_req_len;
  logic [8*Lanes-1:0]  rd_rsp_data, wr_data;
  logic                wr_valid, wr_ready, wr_ack;
  logic [Lanes-1:0]    wr_strb;
  counters_t           counters;

  gpt2_top #(.Lanes(Lanes), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx)) u_top (
    .clk_i, .rst_ni, .mem_rst_ni(rst_ni), .test_en_i(1'b0), .cfg_i, .sampling_i, .abort_i(1'b0),
    .start_i, .max_new_i, .stop_en_i(1'b0), .stop_id_i('0), .all_heads_i(1'b0), .more_prompts_i('0), .busy_o, .done_o, .error_o,
    .prompt_valid_i, .prompt_ready_o, .prompt_id_i, .prompt_last_i,
    .tok_valid_o, .tok_ready_i, .tok_id_o, .tok_last_o(), .tok_prompt_o(),
    .lg_valid_o(), .lg_ready_i(1'b1), .lg_base_id_o(), .lg_mask_o(), .lg_rows_o(), .lg_last_o(),
    .rd_req_valid_o(rd_req_valid), .rd_req_ready_i(rd_req_ready), .rd_req_addr_o(rd_req_addr), .rd_req_len_o(rd_req_len),
    .rd_rsp_valid_i(rd_rsp_valid), .rd_rsp_ready_o(rd_rsp_ready), .rd_rsp_data_i(rd_rsp_data),
    .rd_rsp_error_i(1'b0), .wr_ack_error_i(1'b0), .wr_valid_o(wr_valid), .wr_ready_i(wr_ready), .wr_addr_o(wr_addr), .wr_data_o(wr_data), .wr_strb_o(wr_strb),
    .wr_ack_i(wr_ack),
    .event_o(), .residual_rows_o(), .count_sel_i('0), .counters_o(counters)
  );
  assign sat_o = counters.saturations;

  onchip_memory #(.Lanes(Lanes), .RomBeats(RomBeats), .RomFile(RomFile), .RamBeats(RamBeats)) u_memory (
    .clk_i, .rst_ni,
    .rd_req_valid_i(rd_req_valid), .rd_req_ready_o(rd_req_ready), .rd_req_addr_i(rd_req_addr), .rd_req_len_i(rd_req_len),
    .rd_rsp_valid_o(rd_rsp_valid), .rd_rsp_ready_i(rd_rsp_ready), .rd_rsp_data_o(rd_rsp_data),
    .wr_valid_i(wr_valid), .wr_ready_o(wr_ready), .wr_addr_i(wr_addr), .wr_data_i(wr_data), .wr_strb_i(wr_strb),
    .wr_ack_o(wr_ack)
  );

endmodule
