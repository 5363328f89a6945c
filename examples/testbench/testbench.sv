// SPDX-License-Identifier: Apache-2.0
//
// testbench - gpt2_top on a behavioural memory: reads a prompt's ids, prints the ids that follow
//
//   +image=FILE    the model's beats, from gpt2rtl compile --hex, which writes model.vh beside them
//   +prompt=FILE   token ids in decimal, as gpt2rtl tokenize prints them
//   +tokens=N      ids to generate
//   +seed=N        draws them as generate --temperature 1 --top-k 40 --seed N does; without it, the most likely
//   +latency=N     cycles from a read's request to its first beat
//
// It uses only the Verilog that Icarus 11 reads: that runs it on the netlist (NETLIST defined).
module testbench;
  `include "model.vh"        // Lanes, MaxHeads, MaxCtx, ImageBeats, KvBeats, Config, StopEnable, StopId

  // ---------------------------------------------------------------------------------------- hardware

  integer cycle = 0, tokens = 20, seed = -1, n_ids = 0, fed = 0;
  reg         clk = 0;
  wire        busy, rst_n;
  assign      rst_n = cycle >= 4;
  reg         started = 0;
  wire        start = rst_n && !busy && !started;
  reg  [16:0] ids [0:MaxCtx-1];
  wire        done, prompt_ready, tok_valid;
  wire        prompt_valid = busy && fed < n_ids;
  wire [3:0]  error;
  wire [16:0] tok_id;
  wire [135:0] counters;                                     // counters_t: the last field is saturations
  wire [31:0] saturations = counters[31:0];
  reg  [94:0] sampling = {7'd1, 24'd94548, 64'd1};           // sampling_t: top_k, log2(e) / temperature, state

  wire               rd_req_valid, rd_req_ready, rd_rsp_ready, wr_valid;
  wire [31:0]        rd_req_addr, wr_addr;
  wire [7:0]         rd_req_len;
  wire [8*Lanes-1:0] wr_data;
  wire [Lanes-1:0]   wr_strb;
  reg                rd_rsp_valid = 0, wr_ack = 0;
  reg  [8*Lanes-1:0] rd_rsp_data;

  gpt2_top
`ifndef NETLIST
  #(.Lanes(Lanes), .MaxHeads(MaxHeads), .MaxCtx(MaxCtx))
`endif
  u_gpt2_top (
    .clk_i(clk), .rst_ni(rst_n), .mem_rst_ni(rst_n), .test_en_i(1'b0), .abort_i(1'b0), .cfg_i(Config), .sampling_i(sampling), .start_i(start), .max_new_i(tokens),
    .stop_en_i(StopEnable), .stop_id_i(StopId), .all_heads_i(1'b0), .more_prompts_i(16'd0), .busy_o(busy), .done_o(done), .error_o(error),
    .prompt_valid_i(prompt_valid), .prompt_ready_o(prompt_ready), .prompt_id_i(ids[fed]), .prompt_last_i(fed == n_ids - 1),
    .tok_valid_o(tok_valid), .tok_ready_i(1'b1), .tok_id_o(tok_id), .tok_last_o(), .tok_prompt_o(),
    .lg_valid_o(), .lg_ready_i(1'b1), .lg_base_id_o(), .lg_mask_o(), .lg_rows_o(), .lg_last_o(),
    .rd_req_valid_o(rd_req_valid), .rd_req_ready_i(rd_req_ready), .rd_req_addr_o(rd_req_addr), .rd_req_len_o(rd_req_len),
    .rd_rsp_valid_i(rd_rsp_valid), .rd_rsp_ready_o(rd_rsp_ready), .rd_rsp_data_i(rd_rsp_data), .rd_rsp_error_i(1'b0),
    .wr_valid_o(wr_valid), .wr_ready_i(1'b1), .wr_addr_o(wr_addr), .wr_data_o(wr_data), .wr_strb_o(wr_strb), .wr_ack_i(wr_ack), .wr_ack_error_i(1'b0),
    .event_o(), .residual_rows_o(), .count_sel_i(8'd0), .counters_o(counters)
  );

  // ------------------------------------------------------------------------------------------ memory

  reg [8*Lanes-1:0] memory [0:ImageBeats+KvBeats-1], word;

  // Bursts are answered in order, `latency` cycles after the request or later.
  localparam Bursts = 16;
  integer latency = 20, asked = 0, answered = 0, beat = 0;
  integer due [0:Bursts-1], addr [0:Bursts-1], len [0:Bursts-1];
  assign  rd_req_ready = asked - answered < Bursts;
  wire    answer       = asked != answered && cycle >= due[answered % Bursts];
  wire    last_beat    = beat + 1 == len[answered % Bursts];

  always @(posedge clk) if (rst_n) begin
    if (rd_req_valid && rd_req_ready) begin
      due[asked % Bursts]  <= cycle + latency;
      addr[asked % Bursts] <= rd_req_addr;
      len[asked % Bursts]  <= {24'd0, rd_req_len};
      asked                <= asked + 1;
    end
    if (!rd_rsp_valid || rd_rsp_ready) begin
      rd_rsp_valid <= answer;
      if (answer) begin
        rd_rsp_data <= memory[addr[answered % Bursts] + beat];
        beat        <= last_beat ? 0 : beat + 1;
        if (last_beat) answered <= answered + 1;
      end
    end
  end

  // A write is in memory at once, byte by byte, and acknowledged in the next cycle.
  always @(posedge clk) begin
    wr_ack <= rst_n && wr_valid;
    if (rst_n && wr_valid) begin
      word = memory[wr_addr];
      for (integer i = 0; i < Lanes; i = i + 1) if (wr_strb[i]) word[8*i +: 8] = wr_data[8*i +: 8];
      memory[wr_addr] = word;
    end
  end

  // --------------------------------------------------------------------------------------------- run

  string  image, prompt;
  integer file, size = -1;

  // The generator's state of a seed: sampling_seed() in golden/sampling.c.
  function [63:0] state_of(input [63:0] n);
    begin
      state_of = n + 64'h9e3779b97f4a7c15;
      state_of = (state_of ^ (state_of >> 30)) * 64'hbf58476d1ce4e5b9;
      state_of = (state_of ^ (state_of >> 27)) * 64'h94d049bb133111eb;
      state_of = state_of ^ (state_of >> 31);
    end
  endfunction

  initial begin
    if (!$value$plusargs("image=%s", image)) image = "model.hex";
    if (!$value$plusargs("prompt=%s", prompt)) prompt = "prompt.ids";
    if ($value$plusargs("tokens=%d", tokens)) ;
    if ($value$plusargs("latency=%d", latency)) ;
    if ($value$plusargs("seed=%d", seed)) sampling = {7'd40, 24'd94548, state_of({32'd0, seed})};

    // A missing or short file would leave memory empty, and the run would continue: a line is a beat.
    file = $fopen(image, "r");
    if (file != 0) begin
      if ($fseek(file, 0, 2) == 0) size = $ftell(file);
      $fclose(file);
    end
    if (size < 0)
      $fatal(1, "%0s cannot be read: name the image with +image=FILE (gpt2rtl compile --hex)", image);
    else if (size != ImageBeats * (2 * Lanes + 1))
      $fatal(1, "%0s has %0d bytes, expected %0d: model.vh says %0d lines of %0d digits. Compile the image again", image, size,
             ImageBeats * (2 * Lanes + 1), ImageBeats, 2 * Lanes);
    else
      $readmemh(image, memory, 0, ImageBeats - 1);
    for (integer i = 0; i < KvBeats; i = i + 1) memory[ImageBeats + i] = {Lanes{8'ha5}};   // any contents will do

    file = $fopen(prompt, "r");
    while (file != 0 && n_ids < MaxCtx && $fscanf(file, "%d", ids[n_ids]) == 1) n_ids = n_ids + 1;
    if (n_ids == 0) $fatal(1, "%0s has no ids: name a file of decimal ids with +prompt=FILE (gpt2rtl tokenize)", prompt);
  end

  always #5 clk = !clk;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (start) started <= 1;
    if (prompt_valid && prompt_ready) fed <= fed + 1;
    if (rst_n && tok_valid) $display("token %0d", tok_id);
    if (started && done) begin
      $display("%0d cycles, error %0d, %0d saturations", cycle, error, saturations);
      $finish;
    end
  end

endmodule
