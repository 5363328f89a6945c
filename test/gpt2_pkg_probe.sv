// SPDX-License-Identifier: Apache-2.0
//
// gpt2_pkg_probe - shows the place of every field of the package's structs, and its constants, to test_gpt2_pkg
//
// Field number field_i of each struct is all ones, the others zero; constant number field_i is at constant_o.
module gpt2_pkg_probe
  import gpt2_pkg::*;
(
  input  logic [5:0]  field_i,
  output config_t     config_o,
  output sampling_t   sampling_o,
  output step_t       step_o,
  output batch_t      batch_o,
  output job_t        job_o,
  output label_t      label_o,
  output tag_t        tag_o,
  output event_t      event_o,
  output counters_t   counters_o,
  output operand_t    operand_o,
  output logic [31:0] constant_o
);

  always_comb begin
    config_o = config_t'(0);
    case (field_i)
      0: config_o.n_layer = '1;
      1: config_o.n_head = '1;
      2: config_o.n_ctx = '1;
      3: config_o.n_vocab = '1;
      4: config_o.inv_width = '1;
      5: config_o.eps_term = '1;
      6: config_o.wpe_base = '1;
      7: config_o.wte_base = '1;
      8: config_o.stream_base = '1;
      9: config_o.head_base = '1;
      10: config_o.kv_base = '1;
      11: config_o.kv_stride = '1;
      12: config_o.kv_v_off = '1;
      default: ;
    endcase

    sampling_o = sampling_t'(0);
    case (field_i)
      0: sampling_o.top_k = '1;
      1: sampling_o.inv_t = '1;
      2: sampling_o.seed = '1;
      default: ;
    endcase

    batch_o = batch_t'(0);
    case (field_i)
      0: batch_o.several = '1;
      1: batch_o.seq = '1;
      2: batch_o.last = '1;
      3: batch_o.more = '1;
      4: batch_o.members = '1;
      default: ;
    endcase

    step_o = step_t'(0);
    case (field_i)
      0: step_o.id = '1;
      1: step_o.position = '1;
      2: step_o.seq = '1;
      3: step_o.prompt = '1;
      4: step_o.several = '1;
      5: step_o.more = '1;
      6: step_o.head = '1;
      7: step_o.recomputed = '1;
      default: ;
    endcase

    job_o = job_t'(0);
    case (field_i)
      0: job_o.op = op_e'('1);
      1: job_o.layer = '1;
      2: job_o.head = '1;
      3: job_o.final_layer = '1;
      4: job_o.want_head = '1;
      5: job_o.position = '1;
      6: job_o.alone = '1;
      7: job_o.member = '1;
      8: job_o.groups = '1;
      9: job_o.blocks = '1;
      10: job_o.sides = '1;
      11: job_o.issue.by_columns = '1;
      12: job_o.issue.first = '1;
      13: job_o.issue.last = '1;
      14: job_o.issue.slot = '1;
      15: job_o.issue.free = '1;
      16: job_o.issue.excess = '1;
      17: job_o.place.row_in_group = '1;
      18: job_o.place.side_index = '1;
      default: ;
    endcase

    label_o = label_t'(0);
    case (field_i)
      0: label_o.tag.op = op_e'('1);
      1: label_o.tag.layer = '1;
      2: label_o.tag.head = '1;
      3: label_o.tag.final_layer = '1;
      4: label_o.tag.want_head = '1;
      5: label_o.tag.position = '1;
      6: label_o.tag.alone = '1;
      7: label_o.tag.member = '1;
      8: label_o.tag.group = '1;
      9: label_o.tag.last = '1;
      10: label_o.issue.by_columns = '1;
      11: label_o.issue.first = '1;
      12: label_o.issue.last = '1;
      13: label_o.issue.slot = '1;
      14: label_o.issue.free = '1;
      15: label_o.issue.excess = '1;
      16: label_o.place.row_in_group = '1;
      17: label_o.place.side_index = '1;
      18: label_o.side = '1;
      19: label_o.block = '1;
      20: label_o.last_block = '1;
      21: label_o.start = '1;
      default: ;
    endcase

    tag_o = tag_t'(0);
    case (field_i)
      0: tag_o.op = op_e'('1);
      1: tag_o.layer = '1;
      2: tag_o.head = '1;
      3: tag_o.final_layer = '1;
      4: tag_o.want_head = '1;
      5: tag_o.position = '1;
      6: tag_o.alone = '1;
      7: tag_o.member = '1;
      8: tag_o.group = '1;
      9: tag_o.last = '1;
      default: ;
    endcase

    event_o = event_t'(0);
    case (field_i)
      0: event_o.residual_tag = tag_t'('1);
      1: event_o.residual_members = '1;
      2: event_o.choice = '1;
      3: event_o.choice_seq = '1;
      4: event_o.step.id = '1;
      5: event_o.step.position = '1;
      6: event_o.step.seq = '1;
      7: event_o.step.prompt = '1;
      8: event_o.step.several = '1;
      9: event_o.step.more = '1;
      10: event_o.step.head = '1;
      11: event_o.step.recomputed = '1;
      12: event_o.saturations = '1;
      13: event_o.residual = '1;
      14: event_o.step_end = '1;
      15: event_o.step_start = '1;
      default: ;
    endcase

    counters_o = counters_t'(0);
    case (field_i)
      0: counters_o.count = '1;
      1: counters_o.heads = '1;
      2: counters_o.heads_skipped = '1;
      3: counters_o.saturations = '1;
      default: ;
    endcase

    operand_o = operand_t'(0);
    case (field_i)
      0: operand_o.m = '1;
      1: operand_o.e = '1;
      default: ;
    endcase

    case (field_i)
      0: constant_o = 32'(HeadDim);
      1: constant_o = 32'(RowFrac);
      2: constant_o = 32'(RowBits);
      3: constant_o = 32'(ResFrac);
      4: constant_o = 32'(ResBits);
      5: constant_o = 32'(NormFrac);
      6: constant_o = 32'(NormBits);
      7: constant_o = 32'(ProbFrac);
      8: constant_o = 32'(ExpFrac);
      9: constant_o = 32'(ScaleBias);
      10: constant_o = 32'(SumBits);
      11: constant_o = 32'(AccBits);
      12: constant_o = 32'(SideGroups);
      13: constant_o = 32'(MaxTopK);
      14: constant_o = 32'(OpPos);
      15: constant_o = 32'(OpToken);
      16: constant_o = 32'(OpNorm);
      17: constant_o = 32'(OpQkv);
      18: constant_o = 32'(OpScores);
      19: constant_o = 32'(OpPv);
      20: constant_o = 32'(OpProj);
      21: constant_o = 32'(OpMlp1);
      22: constant_o = 32'(OpMlp2);
      23: constant_o = 32'(OpHead);
      24: constant_o = 32'(ErrNone);
      25: constant_o = 32'(ErrAborted);
      26: constant_o = 32'(ErrPromptLong);
      27: constant_o = 32'(ErrPromptId);
      28: constant_o = 32'(ErrLayers);
      29: constant_o = 32'(ErrHeads);
      30: constant_o = 32'(ErrContext);
      31: constant_o = 32'(ErrVocab);
      32: constant_o = 32'(ErrNorm);
      33: constant_o = 32'(ErrTopK);
      34: constant_o = 32'(ErrSeed);
      35: constant_o = 32'(ErrRead);
      36: constant_o = 32'(ErrWrite);
      37: constant_o = 32'(ErrTimeout);
      38: constant_o = 32'(o_slot(25));
      39: constant_o = 32'(g_slot(25));
      40: constant_o = 32'(q_slot(25));
      41: constant_o = 32'(p_slot(25));
      42: constant_o = 32'(slot_count(25, 1024));
      43: constant_o = 32'(MaxPositions);
      default: constant_o = '1;
    endcase
  end

endmodule
