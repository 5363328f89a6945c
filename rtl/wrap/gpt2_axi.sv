// SPDX-License-Identifier: Apache-2.0
//
// gpt2_axi - gpt2_top for a system with AXI: registers on AXI4-Lite, the memory on AXI4
//
// In      s_axil  registers, FIFOs for the ids in and out, and the interrupt: gpt2_registers.sv,
//                 gpt2_csr.rdl
//         s_prompt   AXI4-Stream: the prompts' ids if RUN.prompt_stream is set; axi_stream_in.sv
// Out     m_axi   Ports managers of PortBits bits, packed by port: image and KV cache in stripes;
//                 axi_memory.sv has the layout and the rules of the transfers
//         m_token    AXI4-Stream: the ids if RUN.token_stream is set, each as in TOKEN, with its
//                 prompt; TLAST with the run's last; axi_stream_out.sv
//         m_logits   AXI4-Stream, with LogitsStream and RUN.all_heads: Segments logits per
//                 transfer, Q14.16 in 32 bits, ids ascending from 0, TLAST with a position's last;
//                 TKEEP for the ids below the vocabulary's size. If it is not read, the machine
//                 stalls
//         irq     level, high
// Reset   rst_ni is ARESETn of all ports: synchronous, active low, for the fabric as well. The
//         soft reset, a register, ends a run but does not reset the memory ports: they complete
//         what is under way, and busy stays high until then
// Rules   docs/life_cycle.md. A run that gave up its memory (ErrTimeout) cannot harm a later one:
//         late answers are dropped, and no request is sent until the last of them has arrived
// Legal   Ports 1, 2, 4, ... 32; PortBits 32, 64, ... 1024; Ports x PortBits at most 8 Lanes
// Golden  as gpt2_top
module gpt2_axi
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes     = 256,        // gpt2_top.sv
  parameter int unsigned MaxHeads  = 25,
  parameter int unsigned MaxCtx    = 1024,
  parameter int unsigned NormWidth = 64,
  parameter int unsigned ExpWidth  = Lanes / 64,
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = Positions,
  parameter int unsigned Folding   = 1,
  parameter bit          SystolicList  = 1'b1,
  parameter bit          ClockGating   = 1'b0,
  parameter bit          AdderRetiming = 1'b0,
  parameter int unsigned Watchdog  = 0,
  parameter int unsigned Ports     = 2,
  parameter int unsigned PortBits  = 1024,
  parameter int unsigned FifoDepth = 64,         // ids in each FIFO of the registers
  parameter bit          LogitsStream = 1'b0,    // m_logits has the logits of RUN.all_heads
  localparam int unsigned Segments = Lanes / 64
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  logic                             test_en_i,        // gpt2_top.sv
  output logic                             irq_o,

  input  logic                             s_axil_awvalid_i,
  output logic                             s_axil_awready_o,
  input  logic [11:0]                      s_axil_awaddr_i,
  input  logic [2:0]                       s_axil_awprot_i,
  input  logic                             s_axil_wvalid_i,
  output logic                             s_axil_wready_o,
  input  logic [31:0]                      s_axil_wdata_i,
  input  logic [3:0]                       s_axil_wstrb_i,
  output logic                             s_axil_bvalid_o,
  input  logic                             s_axil_bready_i,
  output logic [1:0]                       s_axil_bresp_o,
  input  logic                             s_axil_arvalid_i,
  output logic                             s_axil_arready_o,
  input  logic [11:0]                      s_axil_araddr_i,
  input  logic [2:0]                       s_axil_arprot_i,
  output logic                             s_axil_rvalid_o,
  input  logic                             s_axil_rready_i,
  output logic [31:0]                      s_axil_rdata_o,
  output logic [1:0]                       s_axil_rresp_o,

  output logic [Ports-1:0]                 m_axi_arvalid_o,
  input  logic [Ports-1:0]                 m_axi_arready_i,
  output logic [Ports-1:0][63:0]           m_axi_araddr_o,
  output logic [Ports-1:0][7:0]            m_axi_arlen_o,
  output logic [Ports-1:0][2:0]            m_axi_arsize_o,
  output logic [Ports-1:0][1:0]            m_axi_arburst_o,
  output logic [Ports-1:0][3:0]            m_axi_arcache_o,
  output logic [Ports-1:0][2:0]            m_axi_arprot_o,
  input  logic [Ports-1:0]                 m_axi_rvalid_i,
  output logic [Ports-1:0]                 m_axi_rready_o,
  input  logic [Ports-1:0][PortBits-1:0]   m_axi_rdata_i,
  input  logic [Ports-1:0][1:0]            m_axi_rresp_i,
  input  logic [Ports-1:0]                 m_axi_rlast_i,
  output logic [Ports-1:0]                 m_axi_awvalid_o,
  input  logic [Ports-1:0]                 m_axi_awready_i,
  output logic [Ports-1:0][63:0]           m_axi_awaddr_o,
  output logic [Ports-1:0][7:0]            m_axi_awlen_o,
  output logic [Ports-1:0][2:0]            m_axi_awsize_o,
  output logic [Ports-1:0][1:0]            m_axi_awburst_o,
  output logic [Ports-1:0][3:0]            m_axi_awcache_o,
  output logic [Ports-1:0][2:0]            m_axi_awprot_o,
  output logic [Ports-1:0]                 m_axi_wvalid_o,
  input  logic [Ports-1:0]                 m_axi_wready_i,
  output logic [Ports-1:0][PortBits-1:0]   m_axi_wdata_o,
  output logic [Ports-1:0][PortBits/8-1:0] m_axi_wstrb_o,
  output logic [Ports-1:0]                 m_axi_wlast_o,
  input  logic [Ports-1:0]                 m_axi_bvalid_i,
  output logic [Ports-1:0]                 m_axi_bready_o,
  input  logic [Ports-1:0][1:0]            m_axi_bresp_i,

  input  logic                             s_prompt_tvalid_i,
  output logic                             s_prompt_tready_o,
  input  logic [31:0]                      s_prompt_tdata_i,
  input  logic                             s_prompt_tlast_i,
  output logic                             m_token_tvalid_o,
  input  logic                             m_token_tready_i,
  output logic [31:0]                      m_token_tdata_o,
  output logic [3:0]                       m_token_tkeep_o,
  output logic                             m_token_tlast_o,
  output logic                             m_logits_tvalid_o,
  input  logic                             m_logits_tready_i,
  output logic [Segments-1:0][31:0]        m_logits_tdata_o,
  output logic [Segments-1:0][3:0]         m_logits_tkeep_o,
  output logic                             m_logits_tlast_o
);

  // ---------------------------------------------------------------------------- the host's side

  logic        core_rst_n, start, abort, busy, done, stop_en, all_heads;
  config_t     cfg;
  sampling_t   sampling;
  error_e      error;
  logic [31:0] max_new;
  logic [16:0] stop_id, prompt_id, tok_id;
  logic        prompt_valid, prompt_ready, prompt_last, tok_valid, tok_ready;
  logic [7:0]  count_sel;
  counters_t   counters;
  logic [63:0] image_base, kv_base, stripe_stride;
  logic        fault_valid, fault_write, fault_decerr;
  logic [4:0]  fault_port;
  logic        prompt_stream, tok_stream;        // ids use the streams
  logic        reg_valid, reg_last, reg_tok_ready;
  logic [16:0] reg_id;
  logic [15:0] more_prompts, tok_prompt;
  logic        tok_last, tok_run_last;
  logic [30:0] tok_word;

  gpt2_registers #(
    .Lanes(Lanes), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx), .NormWidth(NormWidth),
    .ExpWidth(ExpWidth), .Positions(Positions), .Engines(Engines), .Watchdog(Watchdog),
    .Ports(Ports), .PortBits(PortBits), .LogitsStream(LogitsStream), .FifoDepth(FifoDepth)
  ) u_registers (
    .clk_i, .rst_ni,
    .s_axil_awvalid_i, .s_axil_awready_o, .s_axil_awaddr_i, .s_axil_awprot_i,
    .s_axil_wvalid_i, .s_axil_wready_o, .s_axil_wdata_i, .s_axil_wstrb_i,
    .s_axil_bvalid_o, .s_axil_bready_i, .s_axil_bresp_o,
    .s_axil_arvalid_i, .s_axil_arready_o, .s_axil_araddr_i, .s_axil_arprot_i,
    .s_axil_rvalid_o, .s_axil_rready_i, .s_axil_rdata_o, .s_axil_rresp_o, .irq_o,
    .core_rst_no(core_rst_n), .cfg_o(cfg), .sampling_o(sampling), .start_o(start),
    .abort_o(abort), .max_new_o(max_new), .stop_en_o(stop_en), .stop_id_o(stop_id),
    .all_heads_o(all_heads), .more_prompts_o(more_prompts), .busy_i(busy), .done_i(done),
    .error_i(error),
    .prompt_valid_o(reg_valid), .prompt_ready_i(prompt_ready && !prompt_stream),
    .prompt_id_o(reg_id), .prompt_last_o(reg_last), .tok_valid_i(tok_valid && !tok_stream),
    .tok_ready_o(reg_tok_ready), .tok_id_i(tok_id), .tok_prompt_i(tok_prompt[12:0]),
    .tok_last_i(tok_last), .tok_next_i(tok_valid && tok_ready), .tok_word_o(tok_word),
    .tok_run_last_o(tok_run_last),
    .count_sel_o(count_sel), .counters_i(counters), .prompt_stream_o(prompt_stream),
    .tok_stream_o(tok_stream), .image_base_o(image_base), .kv_base_o(kv_base),
    .stripe_stride_o(stripe_stride), .fault_valid_i(fault_valid), .fault_write_i(fault_write),
    .fault_decerr_i(fault_decerr), .fault_port_i(fault_port)
  );

  // --------------------------------------------------------------------------------- the streams

  logic        in_valid, in_last, out_ready;
  logic [16:0] in_id;

  axi_stream_in u_prompt (
    .clk_i, .rst_ni, .enable_i(prompt_stream), .busy_i(busy), .tvalid_i(s_prompt_tvalid_i),
    .tready_o(s_prompt_tready_o), .tdata_i(s_prompt_tdata_i), .tlast_i(s_prompt_tlast_i),
    .prompt_valid_o(in_valid), .prompt_ready_i(prompt_ready), .prompt_id_o(in_id),
    .prompt_last_o(in_last)
  );

  assign prompt_valid = prompt_stream ? in_valid : reg_valid;
  assign prompt_id    = prompt_stream ? in_id : reg_id;
  assign prompt_last  = prompt_stream ? in_last : reg_last;
  assign tok_ready    = tok_stream ? out_ready : reg_tok_ready;

  axi_stream_out #(.Bytes(4)) u_token (
    .clk_i, .rst_ni, .busy_i(busy), .in_valid_i(tok_valid && tok_stream), .in_ready_o(out_ready),
    .in_data_i(32'(tok_word)), .in_keep_i('1), .in_last_i(tok_run_last),
    .tvalid_o(m_token_tvalid_o),
    .tready_i(m_token_tready_i), .tdata_o(m_token_tdata_o), .tkeep_o(m_token_tkeep_o),
    .tlast_o(m_token_tlast_o)
  );

  logic                      lg_valid, lg_ready, lg_last;
  logic [Segments-1:0]       lg_mask;
  logic [Segments-1:0][31:0] lg_rows;

  if (LogitsStream) begin : gen_logits
    logic [Segments-1:0][3:0] tkeep;

    for (genvar i = 0; i < int'(Segments); i++) begin : gen_keep
      assign tkeep[i] = {4{lg_mask[i]}};
    end

    axi_stream_out #(.Bytes(4 * Segments)) u_logits (
      .clk_i, .rst_ni, .busy_i(busy), .in_valid_i(lg_valid), .in_ready_o(lg_ready),
      .in_data_i(lg_rows), .in_keep_i(tkeep), .in_last_i(lg_last), .tvalid_o(m_logits_tvalid_o),
      .tready_i(m_logits_tready_i), .tdata_o(m_logits_tdata_o), .tkeep_o(m_logits_tkeep_o),
      .tlast_o(m_logits_tlast_o)
    );
  end else begin : gen_no_logits
    logic unused_logits;
    assign unused_logits = ^{lg_valid, lg_last, lg_mask, lg_rows, m_logits_tready_i};
    assign {m_logits_tvalid_o, m_logits_tdata_o, m_logits_tkeep_o, m_logits_tlast_o} = '0;
    assign lg_ready = 1'b1;
  end

  // --------------------------------------------------------------------------------- the machine

  logic                rd_req_valid, rd_req_ready, rd_rsp_valid, rd_rsp_error;
  logic [AddrBits-1:0] rd_req_addr, wr_addr;
  logic [7:0]          rd_req_len;
  logic [8*Lanes-1:0]  rd_rsp_data, wr_data;
  logic                wr_valid, wr_ready, wr_ack, wr_ack_error;
  logic [Lanes-1:0]    wr_strb;

  gpt2_top #(
    .Lanes(Lanes), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx), .NormWidth(NormWidth),
    .ExpWidth(ExpWidth), .Positions(Positions), .Engines(Engines), .Folding(Folding),
    .ClockGating(ClockGating), .AdderRetiming(AdderRetiming), .SystolicList(SystolicList),
    .Watchdog(Watchdog)
  ) u_top (
    .clk_i, .rst_ni(core_rst_n), .mem_rst_ni(rst_ni), .test_en_i, .cfg_i(cfg),
    .sampling_i(sampling), .start_i(start), .abort_i(abort), .max_new_i(max_new),
    .stop_en_i(stop_en), .stop_id_i(stop_id), .all_heads_i(all_heads),
    .busy_o(busy), .done_o(done), .error_o(error),
    .prompt_valid_i(prompt_valid), .prompt_ready_o(prompt_ready), .prompt_id_i(prompt_id),
    .prompt_last_i(prompt_last), .tok_valid_o(tok_valid), .tok_ready_i(tok_ready),
    .tok_id_o(tok_id), .tok_last_o(tok_last), .tok_prompt_o(tok_prompt),
    .more_prompts_i(more_prompts),
    .lg_valid_o(lg_valid), .lg_ready_i(lg_ready),
    .lg_base_id_o(), .lg_mask_o(lg_mask), .lg_rows_o(lg_rows), .lg_last_o(lg_last),
    .rd_req_valid_o(rd_req_valid), .rd_req_ready_i(rd_req_ready), .rd_req_addr_o(rd_req_addr),
    .rd_req_len_o(rd_req_len), .rd_rsp_valid_i(rd_rsp_valid), .rd_rsp_ready_o(),
    .rd_rsp_data_i(rd_rsp_data), .rd_rsp_error_i(rd_rsp_error), .wr_valid_o(wr_valid),
    .wr_ready_i(wr_ready), .wr_addr_o(wr_addr), .wr_data_o(wr_data), .wr_strb_o(wr_strb),
    .wr_ack_i(wr_ack), .wr_ack_error_i(wr_ack_error),
    .event_o(), .residual_rows_o(), .count_sel_i(count_sel), .counters_o(counters)
  );

  // ---------------------------------------------------------------------------------- the memory

  axi_memory #(.Lanes(Lanes), .Ports(Ports), .PortBits(PortBits)) u_memory (
    .clk_i, .rst_ni, .busy_i(busy), .image_base_i(image_base[63:12]),
    .kv_base_i(kv_base[63:12]), .stripe_stride_i(stripe_stride[63:12]),
    .rd_req_valid_i(rd_req_valid), .rd_req_ready_o(rd_req_ready), .rd_req_addr_i(rd_req_addr),
    .rd_req_len_i(rd_req_len), .rd_rsp_valid_o(rd_rsp_valid), .rd_rsp_data_o(rd_rsp_data),
    .rd_rsp_error_o(rd_rsp_error), .wr_valid_i(wr_valid), .wr_ready_o(wr_ready),
    .wr_addr_i(wr_addr), .wr_data_i(wr_data), .wr_strb_i(wr_strb), .wr_ack_o(wr_ack),
    .wr_ack_error_o(wr_ack_error),
    .m_axi_arvalid_o, .m_axi_arready_i, .m_axi_araddr_o, .m_axi_arlen_o, .m_axi_arsize_o,
    .m_axi_arburst_o, .m_axi_arcache_o, .m_axi_arprot_o, .m_axi_rvalid_i, .m_axi_rready_o,
    .m_axi_rdata_i, .m_axi_rresp_i, .m_axi_rlast_i, .m_axi_awvalid_o, .m_axi_awready_i,
    .m_axi_awaddr_o, .m_axi_awlen_o, .m_axi_awsize_o, .m_axi_awburst_o, .m_axi_awcache_o,
    .m_axi_awprot_o, .m_axi_wvalid_o, .m_axi_wready_i, .m_axi_wdata_o, .m_axi_wstrb_o,
    .m_axi_wlast_o, .m_axi_bvalid_i, .m_axi_bready_o, .m_axi_bresp_i,
    .fault_valid_o(fault_valid), .fault_write_o(fault_write), .fault_decerr_o(fault_decerr),
    .fault_port_o(fault_port)
  );

  logic unused;
  assign unused = ^{tok_prompt[15:13], image_base[11:0], kv_base[11:0], stripe_stride[11:0]};

endmodule
