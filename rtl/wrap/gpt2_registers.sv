// SPDX-License-Identifier: Apache-2.0
//
// gpt2_registers - the host's side of gpt2_axi: registers on AXI4-Lite, two FIFOs of ids, the
// interrupt, the soft reset
//
// The map is gpt2_csr.rdl (docs/registers.md), from which PeakRDL generates gpt2_csr.
//
// In      s_axil  AXI4-Lite, 32 bits, a window of 4 KB
//         busy, done, error, tok, heads, sat, count: gpt2_top's
//         fault   a pulse for each memory transfer that was answered with an error, with its kind
//                 and port; the first of a run is kept
// Out     irq     high while an enabled bit of INT_STATUS is set; from a register
//         start, abort: a cycle each; core_rst_n: rst_ni, and low for a cycle at a soft reset
//         cfg, sampling, max_new, stop, all_heads, more_prompts: the registers' current values;
//                 gpt2_top samples them with the start, and the seed with each of several prompts
//         image_base .. tok_stream: sampled here with the start, so constant during a run
//         prompt  ids that were written to PROMPT (valid/ready)
//         tok_word  the id as TOKEN shows it, and whether it is the run's last
// Timing  a start empties both FIFOs. Writes act in their order, so an id written to PROMPT after
//         the start goes to the new run
// Reset   synchronous, active low; a soft reset leaves the settings and the interrupt bits
module gpt2_registers
  import gpt2_pkg::*;
#(
  parameter int unsigned Lanes     = 256,        // these are shown in the capabilities
  parameter int unsigned MaxHeads  = 25,
  parameter int unsigned MaxCtx    = 1024,
  parameter int unsigned NormWidth = 64,
  parameter int unsigned ExpWidth  = 4,
  parameter int unsigned Positions = 1,
  parameter int unsigned Engines   = 1,
  parameter int unsigned Watchdog  = 0,
  parameter int unsigned Ports     = 1,
  parameter int unsigned PortBits  = 512,
  parameter bit          LogitsStream = 1'b0,
  parameter int unsigned FifoDepth = 64          // ids in each FIFO: 4, 8, 16, ... 1024
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        s_axil_awvalid_i,
  output logic        s_axil_awready_o,
  input  logic [11:0] s_axil_awaddr_i,
  input  logic [2:0]  s_axil_awprot_i,
  input  logic        s_axil_wvalid_i,
  output logic        s_axil_wready_o,
  input  logic [31:0] s_axil_wdata_i,
  input  logic [3:0]  s_axil_wstrb_i,
  output logic        s_axil_bvalid_o,
  input  logic        s_axil_bready_i,
  output logic [1:0]  s_axil_bresp_o,
  input  logic        s_axil_arvalid_i,
  output logic        s_axil_arready_o,
  input  logic [11:0] s_axil_araddr_i,
  input  logic [2:0]  s_axil_arprot_i,
  output logic        s_axil_rvalid_o,
  input  logic        s_axil_rready_i,
  output logic [31:0] s_axil_rdata_o,
  output logic [1:0]  s_axil_rresp_o,
  output logic        irq_o,

  output logic        core_rst_no,
  output config_t     cfg_o,
  output sampling_t   sampling_o,
  output logic        start_o,
  output logic        abort_o,
  output logic [31:0] max_new_o,
  output logic        stop_en_o,
  output logic [16:0] stop_id_o,
  output logic        all_heads_o,
  output logic [15:0] more_prompts_o,
  input  logic        busy_i,
  input  logic        done_i,
  input  error_e      error_i,

  output logic        prompt_valid_o,
  input  logic        prompt_ready_i,
  output logic [16:0] prompt_id_o,
  output logic        prompt_last_o,
  input  logic        tok_valid_i,
  output logic        tok_ready_o,
  input  logic [16:0] tok_id_i,
  input  logic [12:0] tok_prompt_i,
  input  logic        tok_last_i,
  input  logic        tok_next_i,                // it is taken, here or by the stream
  output logic [30:0] tok_word_o,
  output logic        tok_run_last_o,

  output logic [7:0]  count_sel_o,
  input  counters_t   counters_i,

  output logic        prompt_stream_o,           // 1: the prompt comes from its AXI4-Stream
  output logic        tok_stream_o,              // 1: ids go to theirs
  output logic [63:0] image_base_o,
  output logic [63:0] kv_base_o,
  output logic [63:0] stripe_stride_o,
  input  logic        fault_valid_i,
  input  logic        fault_write_i,
  input  logic        fault_decerr_i,
  input  logic [4:0]  fault_port_i
);

  localparam int unsigned ImageVersion = 1;      // IMAGE_VERSION of model/image/image.h
  // Beat addresses from here on are in the KV cache, whose place in memory is the host's choice.
  localparam logic [31:0] KvBeat       = 32'h8000_0000;
  localparam bit          DepthLegal   = FifoDepth >= 4 && FifoDepth <= 1024 &&
                                         (FifoDepth & (FifoDepth - 1)) == 0;
  localparam int unsigned Depth        = DepthLegal ? FifoDepth : 4;
  localparam int unsigned PtrBits      = $clog2(Depth);

  gpt2_csr_pkg::gpt2_csr__in_t  hwif_in;
  gpt2_csr_pkg::gpt2_csr__out_t hwif_out;

  gpt2_csr u_csr (
    .clk(clk_i), .rst_n(rst_ni),
    .s_axil_awready(s_axil_awready_o), .s_axil_awvalid(s_axil_awvalid_i),
    .s_axil_awaddr(s_axil_awaddr_i), .s_axil_awprot(s_axil_awprot_i),
    .s_axil_wready(s_axil_wready_o), .s_axil_wvalid(s_axil_wvalid_i),
    .s_axil_wdata(s_axil_wdata_i), .s_axil_wstrb(s_axil_wstrb_i),
    .s_axil_bready(s_axil_bready_i), .s_axil_bvalid(s_axil_bvalid_o),
    .s_axil_bresp(s_axil_bresp_o),
    .s_axil_arready(s_axil_arready_o), .s_axil_arvalid(s_axil_arvalid_i),
    .s_axil_araddr(s_axil_araddr_i), .s_axil_arprot(s_axil_arprot_i),
    .s_axil_rready(s_axil_rready_i), .s_axil_rvalid(s_axil_rvalid_o),
    .s_axil_rdata(s_axil_rdata_o), .s_axil_rresp(s_axil_rresp_o),
    .hwif_in, .hwif_out
  );

  // ------------------------------------------------------------------------------- start and end

  logic soft_reset, taken;

  assign soft_reset  = hwif_out.CONTROL.soft_reset.value;
  assign core_rst_no = rst_ni && !soft_reset;
  assign start_o     = hwif_out.CONTROL.start.value;
  assign abort_o     = hwif_out.CONTROL.abort_run.value;
  assign taken       = start_o && !busy_i && core_rst_no;

  logic       done_q, open_q, fault_valid_q, fault_write_q, fault_decerr_q;
  logic [4:0] fault_port_q;
  logic       push, push_last, prompt_next;

  always_ff @(posedge clk_i) begin
    if (!core_rst_no || taken) done_q <= 1'b0;
    else if (done_i)           done_q <= 1'b1;

    if (!core_rst_no || done_i)             open_q <= 1'b0;
    else if (taken)                         open_q <= !hwif_out.RUN.prompt_stream.value;
    else if (push && push_last)             open_q <= 1'b0;
    else if (prompt_next)                   open_q <= 1'b1;

    if (!core_rst_no || taken) begin
      fault_valid_q <= 1'b0;
    end else if (fault_valid_i && !fault_valid_q) begin
      fault_valid_q  <= 1'b1;
      fault_write_q  <= fault_write_i;
      fault_decerr_q <= fault_decerr_i;
      fault_port_q   <= fault_port_i;
    end

    irq_o <= rst_ni && hwif_out.INT_STATUS.intr;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      prompt_stream_o <= 1'b0;
      tok_stream_o    <= 1'b0;
    end else if (taken) begin
      prompt_stream_o <= hwif_out.RUN.prompt_stream.value;
      tok_stream_o    <= hwif_out.RUN.token_stream.value;
      image_base_o    <= {hwif_out.IMAGE_BASE_HIGH.value.value,
                          hwif_out.IMAGE_BASE_LOW.value.value, 12'd0};
      kv_base_o       <= {hwif_out.KV_BASE_HIGH.value.value, hwif_out.KV_BASE_LOW.value.value,
                          12'd0};
      stripe_stride_o <= {hwif_out.STRIPE_STRIDE_HIGH.value.value,
                          hwif_out.STRIPE_STRIDE_LOW.value.value, 12'd0};
    end
  end

  // ------------------------------------------------------------------------------------ settings

  assign cfg_o = '{
    n_layer:     hwif_out.N_LAYER.value.value,
    n_head:      hwif_out.N_HEAD.value.value,
    n_ctx:       hwif_out.N_CTX.value.value,
    n_vocab:     hwif_out.N_VOCAB.value.value,
    inv_width:   hwif_out.INV_WIDTH.value.value,
    eps_term:    {hwif_out.EPS_TERM_HIGH.value.value, hwif_out.EPS_TERM_LOW.value.value},
    wpe_base:    hwif_out.WPE_BEAT.value.value,
    wte_base:    hwif_out.WTE_BEAT.value.value,
    stream_base: hwif_out.STREAM_BEAT.value.value,
    head_base:   hwif_out.HEAD_BEAT.value.value,
    kv_base:     KvBeat,
    kv_stride:   hwif_out.KV_STRIDE.value.value,
    kv_v_off:    hwif_out.KV_V_OFF.value.value
  };
  assign sampling_o = '{
    top_k: hwif_out.TOP_K.k.value,
    inv_t: hwif_out.INV_T.value.value,
    seed:  {hwif_out.SEED_HIGH.value.value, hwif_out.SEED_LOW.value.value}
  };
  assign max_new_o   = hwif_out.MAX_NEW.count.value;
  assign stop_en_o   = hwif_out.RUN.stop_enable.value;
  assign stop_id_o   = hwif_out.STOP_ID.id.value;
  assign all_heads_o = hwif_out.RUN.all_heads.value;

  // ------------------------------------------------------------------------------ several prompts

  localparam bit          Several = Positions > 1;
  localparam int unsigned TokBits = Several ? 31 : 17;

  logic [TokBits-1:0] tok_q;                     // from the FIFO

  if (Several) begin : gen_several
    logic        more_q;                         // there are several prompts
    logic [12:0] prompts_q, sequences_q;         // prompts to be taken, and to end, after the next

    assign more_prompts_o = 16'(hwif_out.MORE_PROMPTS.count.value);
    assign prompt_next    = prompt_valid_o && prompt_ready_i && prompt_last_o && prompts_q != '0;
    assign tok_run_last_o = tok_last_i && sequences_q == '0;
    assign tok_word_o     = {tok_last_i && more_q, tok_prompt_i, tok_id_i};

    always_ff @(posedge clk_i) begin
      if (taken) begin
        more_q      <= more_prompts_o != '0;
        prompts_q   <= more_prompts_o[12:0];
        sequences_q <= more_prompts_o[12:0];
      end else begin
        if (prompt_next) prompts_q <= prompts_q - 1'b1;
        if (tok_next_i && tok_last_i) sequences_q <= sequences_q - 1'b1;
      end
    end
  end else begin : gen_one
    logic unused_several;
    assign unused_several = ^{tok_prompt_i, tok_next_i};
    assign more_prompts_o = '0;
    assign prompt_next    = 1'b0;
    assign tok_run_last_o = tok_last_i;
    assign tok_word_o     = 31'(tok_id_i);
  end

  // --------------------------------------------------------------------------- the FIFOs of ids

  logic             fifo_rst_n, prompt_room, overflow_q, tok_waits;
  logic [PtrBits:0] prompt_count, tok_count;

  assign fifo_rst_n = core_rst_no && !taken;

  // An id is written to its register first, and pushed from there in the next cycle.
  always_ff @(posedge clk_i) begin
    push       <= core_rst_no && hwif_out.PROMPT.id.swmod;
    overflow_q <= fifo_rst_n && (overflow_q || (push && !prompt_room));
  end

  assign push_last = hwif_out.PROMPT.last.value;

  fifo #(.Width(18), .Depth(Depth)) u_prompt (
    .clk_i, .rst_ni(fifo_rst_n),
    .wr_valid_i(push), .wr_ready_o(prompt_room),
    .wr_data_i({push_last, hwif_out.PROMPT.id.value}),
    .rd_valid_o(prompt_valid_o), .rd_ready_i(prompt_ready_i),
    .rd_data_o({prompt_last_o, prompt_id_o}), .count_o(prompt_count)
  );

  fifo #(.Width(TokBits), .Depth(Depth)) u_tokens (
    .clk_i, .rst_ni(fifo_rst_n),
    .wr_valid_i(tok_valid_i), .wr_ready_o(tok_ready_o), .wr_data_i(TokBits'(tok_word_o)),
    .rd_valid_o(tok_waits), .rd_ready_i(hwif_out.TOKEN.valid.swacc), .rd_data_o(tok_q),
    .count_o(tok_count)
  );

  // ------------------------------------------------------------------------- what the host reads

  logic [7:0] count_high_q;

  assign count_sel_o = {hwif_out.COUNT_SELECT.phase.value, hwif_out.COUNT_SELECT.what.value};

  always_ff @(posedge clk_i) begin
    if (hwif_out.COUNT_LOW.value.swacc) count_high_q <= counters_i.count[39:32];
  end

  assign hwif_in.ENGINE.lanes.next         = 13'(Lanes);
  assign hwif_in.ENGINE.norm_width.next    = 7'(NormWidth);
  assign hwif_in.ENGINE.exp_width.next     = 7'(ExpWidth);
  assign hwif_in.LIMITS.max_heads.next     = 6'(MaxHeads);
  assign hwif_in.LIMITS.max_ctx.next       = 11'(MaxCtx);
  assign hwif_in.LIMITS.max_top_k.next     = 7'(MaxTopK);
  assign hwif_in.MEMORY.ports.next         = 6'(Ports);
  assign hwif_in.MEMORY.port_bits.next     = 11'(PortBits);
  assign hwif_in.MEMORY.image_version.next = 8'(ImageVersion);
  assign hwif_in.HOST.fifo_depth.next      = 16'(Depth);
  assign hwif_in.HOST.logits_stream.next   = LogitsStream;
  assign hwif_in.WATCHDOG.cycles.next      = Watchdog;
  assign hwif_in.BATCH.positions.next      = 5'(Positions);
  assign hwif_in.BATCH.engines.next        = 5'(Engines);

  // busy from the cycle in which a start or a reset acts, one before gpt2_top says so.
  assign hwif_in.STATUS.busy.next        = busy_i || taken || soft_reset;
  assign hwif_in.STATUS.done.next        = done_q || done_i;
  assign hwif_in.STATUS.prompt_open.next = open_q && !done_i;
  assign hwif_in.STATUS.overflow.next    = overflow_q;
  assign hwif_in.STATUS.error.next       = (done_q || done_i) ? error_i : ErrNone;
  assign hwif_in.LEVELS.prompt_room.next = 16'(Depth) - 16'(prompt_count);
  assign hwif_in.LEVELS.tokens.next      = 16'(tok_count);
  assign {hwif_in.TOKEN.last.next, hwif_in.TOKEN.prompt.next, hwif_in.TOKEN.id.next} = 31'(tok_q);
  assign hwif_in.TOKEN.valid.next        = tok_waits;

  assign hwif_in.INT_STATUS.done.next    = done_i;
  assign hwif_in.INT_STATUS.error.next   = done_i && error_i != ErrNone;
  assign hwif_in.INT_STATUS.prompt.next  = open_q && prompt_count <= (PtrBits + 1)'(Depth / 2);
  assign hwif_in.INT_STATUS.token.next   = tok_waits;

  assign hwif_in.FAULT.valid.next   = fault_valid_q;
  assign hwif_in.FAULT.write.next   = fault_valid_q && fault_write_q;
  assign hwif_in.FAULT.decerr.next  = fault_valid_q && fault_decerr_q;
  assign hwif_in.FAULT.port.next    = fault_valid_q ? fault_port_q : '0;

  assign hwif_in.COUNT_LOW.value.next     = counters_i.count[31:0];
  assign hwif_in.COUNT_HIGH.value.next    = count_high_q;
  assign hwif_in.HEADS.count.next         = counters_i.heads;
  assign hwif_in.HEADS_SKIPPED.count.next = counters_i.heads_skipped;
  assign hwif_in.SATURATIONS.count.next   = counters_i.saturations;

  if (!DepthLegal) begin : gen_depth
    $fatal(1, "gpt2_registers: FifoDepth must be 4, 8, 16, ... 1024, not %0d", FifoDepth);
  end

endmodule
