// SPDX-License-Identifier: Apache-2.0
//
// report.js - the page of `gpt2rtl report`: a finished run, shown with the page's panels and timeline.
// cli/run_report.c writes its data.
"use strict";

const run = JSON.parse($("data").textContent);
const textOf = (id) => run.texts[id] ?? (Object.keys(run.texts).length ? "" : ` ${id}`);
const idsAt = [];
for (const step of run.steps) idsAt[step.position] = step.id;

const s = run.shape;
$("lead").textContent = `A run of ${run.model}: ${s.n_layer} layers, ${s.n_head} heads, width ${s.n_embd}, ${short(s.parameters)} parameters; engine ${run.engine}` +
  (run.lanes ? `, ${run.lanes} lanes, memory ${run.memory}.` : ".");

// The text: the prompt, then what was chosen.
const withHead = run.steps.filter((step) => step.head);
const spans = [];
function chooseToken(span, step) {
  for (const other of spans) other.classList.toggle("chosen", other === span);
  if (step) panels.showStep(step);
}
function add(id, step, fresh) {
  const span = make("span", { className: fresh ? "new" : "", textContent: textOf(id), title: `token ${id}` });
  span.addEventListener("click", () => chooseToken(span, step));
  spans.push(span);
  $("output").append(span);
}
run.prompt.forEach((id, i) => add(id, run.steps.find((step) => step.position === i), false));
for (const step of withHead) add(step.choice, step, true);

// Mean cycles from one chosen token to the next.
const last = run.steps[run.steps.length - 1], first = withHead[0];
const cost = withHead.length > 1 ? (last.cycles - first.cycles) / (withHead.length - 1) : last.cycles;
const card = (title, value, note) => $("cards").append(make("div", {}, make("dt", { textContent: title }), make("dd", { textContent: value }), make("dd", { className: "note", textContent: note })));
card("tokens", whole.format(withHead.length), `${run.steps.length} positions`);
if (run.counters) {
  const all = run.counters.reduce((sum, n) => sum + n, 0), idle = run.counters.reduce((sum, n, i) => sum + (WHATS[i % 10].idle ? n : 0), 0);
  card("cycles per token", whole.format(cost), `${run.lanes} multipliers`);
  card("of the memory floor", percent(run.floor / last.cycles), "the cycles to read every weight, key and value once");
  card("engine idle", percent(idle / all), "of the cycles");
  card("on a board", short(80e6 / cost), "tokens per second at 80 MHz");
} else card("here", short(run.steps.length / run.seconds), "positions per second");

panels.setModel(s, run.positions > 0, {
  textOf, tokensOf: () => idsAt,
  ask: (message) => {
    if (message.type !== "attention" || !run.positions) return;
    const maps = message.which.map(([layer, head]) => Uint8Array.from(atob(run.attention[layer * s.n_head + head]), (c) => c.charCodeAt(0)));
    panels.takeAttention({ positions: run.positions, which: message.which, maps });
  },
});
timeline.setShape(s, (id) => panels.visible(textOf(id)));
for (const event of run.events) timeline.add(Uint32Array.from(event), 0);
if (run.events.length) timeline.moved(); else $("time").hidden = true;
if (run.counters) panels.moved(run.counters, false); else $("tab-cycles").hidden = true;
if (withHead.length) chooseToken(spans[spans.length - 1], withHead[withHead.length - 1]);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); timeline.later(); panels.refresh(); });
