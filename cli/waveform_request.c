// SPDX-License-Identifier: Apache-2.0
#include "waveform_request.h"

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int waveform_parse(const char *command, struct waveform_request *o) {
  uint64_t megabytes = 1000;
  int status;
  const char *alone = o->tokens       ? "--trace-tokens"
                      : o->scopes     ? "--trace-scope"
                      : o->limit_text ? "--trace-limit"
                      : o->wide       ? "--trace-wide"
                                      : NULL;
  if (!o->path) return alone ? cli_usage(command, "%s needs --trace", alone) : 0;
  if (o->limit_text &&
      (status = option_u64(command, "--trace-limit", o->limit_text, 1, 1000000, &megabytes)))
    return status;
  o->limit = megabytes * 1000000;
  if (!o->tokens) return 0;
  o->positions_given = true;
  return option_positions(command, "--trace-tokens", o->tokens, &o->first, &o->last);
}

int waveform_start(struct engine *engine, const struct waveform_request *o, size_t n_prompt,
                   uint64_t n_new, struct err *err) {
  const uint64_t computed = n_prompt + n_new - (n_new > 0);
  const struct waveform_options options = {.path = o->path,
                                           .scopes = o->scopes ? o->scopes : "gpt2_top",
                                           .wide = o->wide,
                                           .first = o->positions_given ? o->first : n_prompt - 1,
                                           .last = o->positions_given ? o->last : n_prompt - 1};
  uint64_t bytes;
  if (options.last >= computed)
    return err_set(err, "--trace-tokens %s: the run computes positions 0 to %" PRIu64, o->tokens,
                   computed - 1);
  if (sim_observe_waveform(&engine->waveform, engine->sim, &options, &bytes, err)) return -1;
  const double megabytes = (double)bytes / 1e6;
  if (bytes > o->limit)
    return err_set(err,
                   "%s would be about %.0f MB, the limit is %.0f: choose fewer positions or "
                   "modules, or set --trace-limit",
                   o->path, megabytes, (double)o->limit / 1e6);
  cli_say("%s: positions %" PRIu64 " to %" PRIu64 ", about %.*f MB", o->path, options.first,
          options.last, megabytes < 10 ? 2 : 0, megabytes);
  return 0;
}
