// SPDX-License-Identifier: Apache-2.0
//
// kv_cache - holds the keys and values of the newest batch for the engine, and writes them to
// memory
//
// Entry `head % 4` holds K and V of a head, for each member of the batch, from its K until its writes
// have been handed to the memory and its PV jobs are over. So four heads can be between QKV and PV.
//
// In      batch, position   the batch, and each member's position; held while it is under way
//         kv        K, then V of a head: for each member of the batch 64 int8 and a scale; members
//                   in order, any number in a cycle, all K before the first V; head and layer are
//                   those of any; heads, then layers ascend; rigid
//         release   of an entry: PV has taken its last beat
// Out     wr        beats with byte strobes (model/image/image.h, 6). For each head: scales (4
//                   bytes of a beat for each position), K (64 bytes of a beat for each; one beat,
//                   or more if the batch spans them), V (64/Segments beats, each with bytes
//                   position % 64 of every segment); valid/ready, acknowledged in order. For
//                   several sequences, these for each of them
//         entry_busy, entry_ready   holds something; holds K and V
//         k, v, k_scale, v_scale    a cycle after merge_valid, of each member: what replaces the
//                                   bytes from memory. k: the key of merge_entry, or its value if
//                                   merge_is_v; v: group merge_group of the value, Segments
//                                   dimensions. With `several`, merge_member's in each place
//         idle      no write is pending, in flight or unacknowledged
//         mem_busy  a write is offered or unacknowledged
// Reset   rst_ni empties the entries. A write that is offered stays until it is taken, and
//         acknowledgements are still counted: mem_busy_o falls when the last has come. mem_rst_ni
//         forgets these too; it is low only while rst_ni is
// Timing  ready one cycle after V; the first write 3 cycles after V, then one a cycle, except while
//         the engine merges: merges and writes read the entries through one port
// Keeps   4 entries of 132 bytes for each of Positions; a beat
// Assumes that an entry is not busy when its K comes. It leaves at most 255 writes unacknowledged
// Golden  golden/kv_cache.c: the memory written by kv_cache_write() - equal byte for byte

`include "assert.svh"

module kv_cache
  import gpt2_pkg::*;
#(
  parameter int unsigned Segments = 16,
  parameter int unsigned MaxHeads = 25,
  parameter int unsigned Positions = 1
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       mem_rst_ni,
  input  config_t                    cfg_i,
  input  logic [AddrBits-1:0]        kv_seq_beats_i, // of one sequence's cache
  input  batch_t                     batch_i,
  input  logic [Positions-1:0][9:0]  position_i,

  input  logic [Positions-1:0]       kv_valid_i,
  input  logic                       kv_is_v_i,
  input  logic [5:0]                 kv_head_i,
  input  logic [7:0]                 kv_layer_i,
  input  logic [Positions-1:0][HeadDim-1:0][7:0] kv_q_i,
  input  scale_t [Positions-1:0]     kv_scale_i,

  output logic [3:0]                 entry_busy_o,
  output logic [3:0]                 entry_ready_o,
  input  logic [3:0]                 release_i,

  output logic                       wr_valid_o,
  input  logic                       wr_ready_i,
  output logic [AddrBits-1:0]        wr_addr_o,
  output logic [64*Segments*8-1:0]   wr_data_o,
  output logic [64*Segments-1:0]     wr_strb_o,
  input  logic                       wr_ack_i,
  output logic                       idle_o,
  output logic                       mem_busy_o,

  input  logic                       merge_valid_i,
  input  logic [1:0]                 merge_entry_i,
  input  logic [3:0]                 merge_member_i,
  input  logic                       merge_is_v_i,
  input  logic [5:0]                 merge_group_i,
  output logic [Positions-1:0][HeadDim-1:0][7:0]  k_o,
  output logic [Positions-1:0][Segments-1:0][7:0] v_o,
  output scale_t [Positions-1:0]     k_scale_o,
  output scale_t [Positions-1:0]     v_scale_o
);

  localparam int unsigned LogS     = $clog2(Segments);
  localparam int unsigned VBeats   = HeadDim / Segments;
  localparam int unsigned BeatBits = (VBeats > 1) ? $clog2(VBeats) : 1;
  // beats with the keys of Positions positions
  localparam int unsigned KBeats   = (Positions > Segments) ? Positions / Segments : 1;
  localparam int unsigned KBits    = (KBeats > 1) ? $clog2(KBeats) : 1;
  localparam int unsigned MemberBits = (Positions > 1) ? $clog2(Positions) : 1;

  typedef logic [AddrBits-1:0] addr_t;
  typedef logic [BeatBits-1:0] beat_idx_t;
  typedef logic [KBits-1:0]    key_idx_t;
  typedef logic [MemberBits-1:0] member_t;
  typedef logic [Positions-1:0] members_t;

  localparam beat_idx_t LastBeat = beat_idx_t'(VBeats - 1);

  // --------------------------------------------------------------------------------------- entries

  wire       kv_valid  = kv_valid_i != '0;
  wire [1:0] kv_entry  = kv_head_i[1:0];
  wire       todo_push = kv_valid && kv_is_v_i && kv_valid_i[member_t'(batch_i.last)];

  // The port for the engine's merge and the writes: vectors, one group of each, and the scales. Its
  // address is in registers.
  logic       merge_q;                             // the engine has the port
  logic [1:0] rd_entry_q;
  logic       rd_is_v_q;
  beat_idx_t  rd_group_q;
  member_t    rd_member_q;                         // several: the one that is read

  logic [Positions-1:0][HeadDim-1:0][7:0] own;     // each member's vector
  scale_t [Positions-1:0]  own_k_scale, own_v_scale;
  logic [HeadDim-1:0][7:0] one;                    // that of rd_member_q
  scale_t                  one_k_scale, one_v_scale;

  assign {one, one_k_scale, one_v_scale} =
         {own[rd_member_q], own_k_scale[rd_member_q], own_v_scale[rd_member_q]};

  for (genvar p = 0; p < int'(Positions); p++) begin : gen_member
    logic [HeadDim-1:0][7:0] mem [8];              // of entry e: K at 2e, V at 2e + 1
    scale_t                  k_scale_mem [4];
    scale_t                  v_scale_mem [4];
    logic [VBeats-1:0][Segments-1:0][7:0] rd_groups; // k_o

    always_ff @(posedge clk_i) begin
      if (kv_valid_i[p])               mem[{kv_entry, kv_is_v_i}] <= kv_q_i[p];
      if (kv_valid_i[p] && !kv_is_v_i) k_scale_mem[kv_entry]      <= kv_scale_i[p];
      if (kv_valid_i[p] && kv_is_v_i)  v_scale_mem[kv_entry]      <= kv_scale_i[p];
    end

    assign own[p]         = mem[{rd_entry_q, rd_is_v_q}];
    assign own_k_scale[p] = k_scale_mem[rd_entry_q];
    assign own_v_scale[p] = v_scale_mem[rd_entry_q];

    assign {k_o[p], k_scale_o[p], v_scale_o[p]} =
           (Positions > 1 && batch_i.several) ? {one, one_k_scale, one_v_scale}
                                              : {own[p], own_k_scale[p], own_v_scale[p]};

    assign rd_groups = k_o[p];
    assign v_o[p]    = rd_groups[rd_group_q];
  end

  logic unused_merge;
  assign unused_merge = ^{merge_group_i, merge_member_i}; // there may be fewer groups and members

  //   busy ready written released
  //    0     0      0       0      empty
  //    1     0      0       0      K has arrived
  //    1     1      0       0      V too; its writes go out, scores and PV may use it
  //    1     1      1       0      handed to the memory     \ with the second of these it is empty
  //    1     1      0       1      PV has taken its beats   / again
  logic [3:0] busy_q, ready_q, written_q, released_q;
  logic       written;                             // out_entry_q's last beat is handed over
  logic [1:0] out_entry_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q     <= '0;
      ready_q    <= '0;
      written_q  <= '0;
      released_q <= '0;
    end else begin
      for (int e = 0; e < 4; e++) begin
        automatic logic written_now  = written_q[e]  || (written && out_entry_q == 2'(e));
        automatic logic released_now = released_q[e] || release_i[e];
        automatic logic empties      = written_now && released_now;
        written_q[e]  <= written_now && !empties;
        released_q[e] <= released_now && !empties;
        if (kv_valid && kv_entry == 2'(e)) begin
          busy_q[e]  <= 1'b1;
          ready_q[e] <= todo_push;
        end else if (empties) begin
          busy_q[e]  <= 1'b0;
          ready_q[e] <= 1'b0;
        end
      end
    end
  end

  assign entry_busy_o  = busy_q;
  assign entry_ready_o = ready_q;

  // -------------------------------------------------------------- the heads' parts of the KV cache

  // Heads come in order: a running address instead of kv_part().
  addr_t      base_q;                              // of the head whose V came last

  typedef struct packed {
    addr_t       base;                             // of sequence 0
    logic [1:0]  entry;                            // last: formal/fv_kv_cache.sv
  } todo_t;

  todo_t new_todo, todo;                           // a head to be written
  logic  todo_ready, todo_valid, todo_wanted;

  wire   first_head = kv_layer_i == 0 && kv_head_i == 0;
  addr_t base;
  assign base = first_head ? cfg_i.kv_base : base_q + cfg_i.kv_stride;

  always_ff @(posedge clk_i) begin
    if (todo_push) base_q <= base;
  end

  assign new_todo = '{base: base, entry: kv_entry};

  fifo #(.Width($bits(todo_t)), .Depth(4)) u_todo (
    .clk_i, .rst_ni,
    .wr_valid_i(todo_push), .wr_ready_o(todo_ready), .wr_data_i(new_todo),
    .rd_valid_o(todo_valid), .rd_ready_i(todo_wanted), .rd_data_o(todo), .count_o()
  );

  // ------------------------------------------------------------------------- their beats, in order

  // Those of the batch's positions at once; of several sequences, one after the other.
  typedef enum logic [1:0] {StIdle, StScales, StK, StV} state_e;

  state_e     state_q, state_d;
  logic [1:0] entry_q;                             // being written
  member_t    member_q;                            // several: whose
  logic       others_q;                            // several: others follow
  logic [9:0] position_q;                          // the multiple of Positions that is written
  members_t   places_q;                            // which of it
  addr_t      scales_addr_q, k_addr_q, v_addr_q;
  key_idx_t   k_beat_q, k_beat_d, k_first, k_last_q, k_last;
  beat_idx_t  v_beat_q, v_beat_d;
  logic       make, room;                          // a beat is made; there is room for it
  logic       begins;                              // the writes of a position, or a batch's

  assign make = rst_ni && state_q != StIdle && room;

  // What begins next: its part of sequence 0, and where the scales and the values are from there.
  member_t    member;
  logic       others;
  members_t   places;
  logic [9:0] position;
  addr_t      part, scales_offset, v_offset;

  if (Positions == 1) begin : gen_one_position
    logic [10:0] side_q;

    assign member        = '0;
    assign others        = 1'b0;
    assign places        = 1'b1;
    assign position      = position_i[0];
    assign part          = todo.base;
    assign scales_offset = addr_t'(side_q);
    assign v_offset      = cfg_i.kv_v_off;

    always_ff @(posedge clk_i) side_q <= kv_side_beat(position_i[0], LogS);

    logic unused_seq;
    assign unused_seq = ^{kv_seq_beats_i, batch_i, rd_member_q};
  end else begin : gen_positions
    // In registers: the members that follow, two cycles before one of them begins.
    addr_t      head_base_q;                       // the head's part, of sequence 0
    addr_t [Positions-1:0] seq_base_q;             // of each sequence, from sequence 0's
    members_t   rest_q, rest, places_q1, places_q2;
    member_t    member_d, member_q1, member_q2, seq_d;
    logic       others_q1, others_q2;
    logic [9:0] newest, block_q1, block_q2;
    addr_t      seq_base_q1, scales_q2, v_q2;

    assign rest = rest_q & (rest_q - 1'b1);

    always_comb begin
      member_d = member_t'(batch_i.last);
      if (batch_i.several) begin
        for (int unsigned p = 0; p < Positions; p++) begin
          if (rest_q[p] && !rest[p]) member_d = member_t'(p);
        end
      end
    end

    assign newest = position_i[member_d];
    assign seq_d  = batch_i.several ? member_d : member_t'(batch_i.seq);

    always_ff @(posedge clk_i) begin
      if (begins && batch_i.several && rest != '0) rest_q <= rest;
      else if (begins || state_q == StIdle)        rest_q <= members_t'(batch_i.members);
      if (todo_valid && todo_wanted) head_base_q <= todo.base;

      member_q1   <= member_d;
      others_q1   <= batch_i.several && rest != '0;
      block_q1    <= newest & ~10'(Positions - 1);
      places_q1   <= batch_i.several ? members_t'(1) << batch_member(newest, 5'(Positions))
                                     : members_t'(batch_i.members);
      seq_base_q1 <= seq_base_q[seq_d];

      member_q2   <= member_q1;
      others_q2   <= others_q1;
      block_q2    <= block_q1;
      places_q2   <= places_q1;
      scales_q2   <= seq_base_q1 + addr_t'(kv_side_beat(block_q1, LogS));
      v_q2        <= seq_base_q1 + cfg_i.kv_v_off;

      seq_base_q[0] <= '0;
      for (int unsigned p = 1; p < Positions; p++) begin
        seq_base_q[p] <= seq_base_q[p-1] + kv_seq_beats_i;
      end
    end

    assign member        = member_q2;
    assign others        = others_q2;
    assign places        = places_q2;
    assign position      = block_q2;
    assign part          = (state_q == StIdle) ? todo.base : head_base_q;
    assign scales_offset = scales_q2;
    assign v_offset      = v_q2;
  end

  // Which of the beats with keys have one of the batch: the first and the last.
  always_comb begin
    k_first = '0;
    k_last  = '0;
    for (int unsigned p = 0; p < Positions; p++) begin
      if (places[p]) k_last = key_idx_t'(p / Segments);
      if (places[Positions-1-p]) k_first = key_idx_t'((Positions - 1 - p) / Segments);
    end
  end

  always_comb begin
    state_d  = state_q;
    k_beat_d = k_beat_q;
    v_beat_d = v_beat_q;
    begins   = 1'b0;
    unique case (state_q)
      StIdle: begins = todo_valid;
      StScales: if (room) state_d = StK;
      StK: begin
        if (room) begin
          k_beat_d = k_beat_q + 1'b1;
          if (k_beat_q == k_last_q) state_d = StV;
        end
      end
      StV: begin
        if (room) begin
          v_beat_d = v_beat_q + 1'b1;
          if (v_beat_q == LastBeat) begin
            begins  = others_q;
            state_d = StIdle;
          end
        end
      end
      default: state_d = StIdle;
    endcase
    if (begins) begin
      state_d  = StScales;
      k_beat_d = k_first;
      v_beat_d = '0;
    end
  end

  assign todo_wanted = state_q == StIdle;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= StIdle;
    else         state_q <= state_d;
  end

  wire [1:0] entry_d = (todo_valid && todo_wanted) ? todo.entry : entry_q;

  always_ff @(posedge clk_i) begin
    merge_q     <= rst_ni && merge_valid_i;
    rd_entry_q  <= merge_valid_i ? merge_entry_i              : entry_d;
    rd_is_v_q   <= merge_valid_i ? merge_is_v_i               : state_d == StV;
    rd_group_q  <= merge_valid_i ? beat_idx_t'(merge_group_i) : v_beat_d;
    rd_member_q <= merge_valid_i ? member_t'(merge_member_i)  : begins ? member : member_q;
  end

  // One addition a cycle: the head's base and an offset, then the position's offset.
  always_ff @(posedge clk_i) begin
    k_beat_q <= k_beat_d;
    v_beat_q <= v_beat_d;
    entry_q  <= entry_d;
    if (begins) begin
      member_q      <= member;
      others_q      <= others;
      position_q    <= position;
      places_q      <= places;
      k_last_q      <= k_last;
      scales_addr_q <= part + scales_offset;
      v_addr_q      <= part + v_offset;
    end
    if (make && state_q == StScales) begin
      k_addr_q <= scales_addr_q + addr_t'(kv_key_after_side(position_q, LogS)) + addr_t'(k_beat_q);
      v_addr_q <= v_addr_q + addr_t'(kv_tile_beat(position_q, LogS));
    end
    if (make && state_q == StK)            k_addr_q <= k_addr_q + 1'b1;
    if (make && state_q == StV && !begins) v_addr_q <= v_addr_q + 1'b1;
  end

  // ---------------------------------------------------------------------------- the beat going out

  // The data is repeated in every word, segment or byte where it may belong; the strobe picks those
  // of the batch's positions.
  logic                         out_valid_q, out_last_q;
  addr_t                        out_addr_q;
  logic [Segments-1:0][511:0]   out_data_q;
  logic [Segments-1:0][63:0]    out_strb_q;

  assign written = out_valid_q && wr_ready_i && out_last_q;

  always_ff @(posedge clk_i) begin
    if (!mem_rst_ni) out_valid_q <= 1'b0;
    else             out_valid_q <= make || (out_valid_q && !wr_ready_i);
  end

  always_ff @(posedge clk_i) begin
    if (make) begin
      out_entry_q <= entry_q;
      out_last_q  <= state_q == StV && v_beat_q == LastBeat && !begins;
      unique case (state_q)
        StScales: out_addr_q <= scales_addr_q;
        StK:      out_addr_q <= k_addr_q;
        default:  out_addr_q <= v_addr_q;          // StV
      endcase
    end
  end

  // Positions = P members fill P words of a segment of scales, P bytes of each segment of values,
  // and P segments of keys (or P / Segments whole beats), each from a multiple of P on.
  localparam int unsigned Bytes = (Positions < 4) ? 4 : Positions;  // of a repeated pattern

  wire [9:0]  side_word = kv_side_word(position_q, LogS);
  logic [4*Positions-1:0] word_strb;               // of the batch's scales

  for (genvar p = 0; p < int'(Positions); p++) begin : gen_strobe
    assign word_strb[4*p +: 4] = {4{places_q[p]}};
  end

  for (genvar s = 0; s < int'(Segments); s++) begin : gen_segment
    always_ff @(posedge clk_i) begin
      if (make) begin
        unique case (state_q)
          StScales: begin
            automatic logic [Positions-1:0][31:0] words;
            for (int unsigned p = 0; p < Positions; p++) words[p] = {v_scale_o[p], k_scale_o[p]};
            out_data_q[s] <= {(16/Positions){words}};
            out_strb_q[s] <= side_word[9:4] == 6'(s)
                             ? 64'(word_strb) << {side_word[3:0], 2'b00} : '0;
          end
          StK: begin
            automatic int unsigned p = (32'(k_beat_q) * Segments + s) % Positions;
            automatic logic in_block;
            in_block = (kv_key_segment(position_q, LogS) ^ 6'(s)) < 6'(Positions) ||
                       Positions >= Segments;
            out_data_q[s] <= k_o[p];
            out_strb_q[s] <= in_block && places_q[p] ? '1 : '0;
          end
          default: begin
            automatic logic [Bytes-1:0][7:0] bytes;
            for (int unsigned i = 0; i < Bytes; i++) bytes[i] = v_o[i % Positions][s];
            out_data_q[s] <= {(64/Bytes){bytes}};
            out_strb_q[s] <= 64'(places_q) << kv_value_byte(position_q);
          end
        endcase
      end
    end
  end

  assign wr_valid_o = out_valid_q;
  assign wr_addr_o  = out_addr_q;
  assign wr_data_o  = out_data_q;
  assign wr_strb_o  = out_strb_q;

  // ------------------------------------------------------------------------------ acknowledgements

  logic [7:0] unacked_q;                           // writes made and not acknowledged
  logic       acked;

  assign room       = (!out_valid_q || wr_ready_i) && unacked_q != '1 && !merge_q;
  assign acked      = wr_ack_i && unacked_q != '0; // unexpected acknowledgements are ignored
  assign mem_busy_o = unacked_q != '0;             // offered writes are counted

  always_ff @(posedge clk_i) begin
    if (!mem_rst_ni) unacked_q <= '0;
    else             unacked_q <= unacked_q + 8'(make) - 8'(acked);
    if (!rst_ni) begin
      idle_o <= 1'b1;
    end else begin
      idle_o <= !kv_valid && (busy_q & ~written_q) == '0 && state_q == StIdle && !make &&
                (unacked_q == 0 || (unacked_q == 8'd1 && wr_ack_i));
    end
  end

  // ------------------------------------------------------------------------------------ assertions

  `ERROR_IF(segments,
            Segments == 0 || (Segments & (Segments - 1)) != 0 || Segments > HeadDim,
            ("Segments = %0d must be a power of two, 1 to 64", Segments))
  `ERROR_IF(max_heads, MaxHeads == 0 || MaxHeads > 63, ("MaxHeads = %0d must be 1 to 63", MaxHeads))
  `ERROR_IF(positions,
            Positions == 0 || (Positions & (Positions - 1)) != 0 || Positions > MaxPositions,
            ("Positions = %0d must be 1, 2, 4, 8 or 16", Positions))
  `ASSERT(todo_push |-> base == kv_part(cfg_i, 4'd0, kv_layer_i, kv_head_i),
          ("%m: layer %0d, head %0d: beat %0d is not that of its part of the KV cache",
           kv_layer_i, kv_head_i, base))
  `ASSERT(todo_push |-> todo_ready, ("%m: more heads are to be written than there are entries"))
  `ASSERT(kv_valid && !kv_is_v_i |-> !ready_q[kv_entry] && (Positions > 1 || !busy_q[kv_entry]),
          ("%m: K came for an entry that still holds another head"))
  `ASSERT(kv_valid && kv_is_v_i |-> busy_q[kv_entry] && !ready_q[kv_entry],
          ("%m: V came without its K"))
  `ASSERT((release_i & ~ready_q) == '0, ("%m: an entry was released that does not hold K and V"))

endmodule
