// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <stddef.h>
#include <string.h>

struct signals signals_of(const struct verilated_block *code, void *instance) {
  struct signals signals = {0};
  signals.n = code->ports(instance, &signals.list);
  return signals;
}

const struct verilated_port *signals_port(const struct signals *signals, const char *name) {
  for (unsigned i = 0; i < signals->n; i++)
    if (!strcmp(signals->list[i].name, name)) return &signals->list[i];
  return NULL;
}

void *signals_find(struct signals *signals, const char *name) {
  const struct verilated_port *port = signals_port(signals, name);
  if (!port) signals->missing = name;
  return port ? port->data : NULL;
}

unsigned signals_width(const struct signals *signals, const char *name) {
  const struct verilated_port *port = signals_port(signals, name);
  return port ? port->width : 0;
}
