// SPDX-License-Identifier: Apache-2.0
//
// panels.js - the views of a run: candidates of a step, attention, tensors, cycles
"use strict";

const panels = (() => {
  const names = ["candidates", "attention", "tensors", "cycles"].filter($);
  let current = "candidates", shape = null, ask = () => {}, textOf = (id) => String(id), tokensOf = () => [], kept = true;

  function choose(name, focus) {
    current = name;
    for (const n of names) {
      const tab = $("tab-" + n), on = n === name;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      $(n).hidden = !on;
      if (on && focus) tab.focus();
    }
    refresh();
  }
  names.forEach((name, i) => {
    $("tab-" + name).addEventListener("click", () => choose(name));
    $("tab-" + name).addEventListener("keydown", (e) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i + names.length - 1, Home: 0, End: names.length - 1 }[e.key];
      if (to !== undefined) { e.preventDefault(); choose(names[to % names.length], true); }
    });
  });

  // ------------------------------------------------------------------------------------- candidates

  let step = null;
  function showStep(given) {
    step = given;
    if (current === "candidates") drawCandidates();
    if (current === "attention") drawOver();
  }
  function drawCandidates() {
    const box = $("candidates");
    if (!step) return box.replaceChildren(make("p", { className: "explain", textContent: "After each position the hardware ranks 64 candidates and draws one. They appear here. Choose a token in the text to see the alternatives to it." }));
    const most = Math.max(...step.candidates.map((c) => c.probability), 1e-9);
    const rows = step.candidates.map((c) => make("tr", { className: c.id === step.choice ? "chosen" : "" },
      make("td", { className: "token", textContent: visible(textOf(c.id)) }),
      make("td", { className: "barcell" }, make("div", { className: "meter", "aria-hidden": "true" }, make("i", { style: `width:${100 * c.probability / most}%` }), ...(c.drawn ? [make("i", { className: "drawn", style: `width:${Math.min(100, 100 * c.drawn / most)}%` })] : []))),
      make("td", { className: "n", textContent: percent(c.probability) }), make("td", { className: "n", textContent: c.drawn ? percent(c.drawn) : "–" }), make("td", { className: "n", textContent: c.id })));
    box.replaceChildren(make("p", { className: "explain", textContent: `After position ${step.position}, “${visible(textOf(step.id))}”: the most likely tokens. The bar is the probability among all tokens; the mark is the probability with which sampling draws the token.` }),
      make("div", { className: "scroll" }, make("table", { className: "candidates" },
        make("thead", {}, make("tr", {}, ...["token", "", "probability", "drawn with", "id"].map((t, i) => make("th", { className: i > 1 ? "n" : "", scope: "col", textContent: t })))), make("tbody", {}, ...rows))));
  }

  // -------------------------------------------------------------------------------------- attention

  let maps = new Map(), positions = 0, chosen = [0, 0], layerShown = 0, asked = 0;
  const few = () => shape && shape.n_layer * shape.n_head <= 48;
  function askAttention() {
    if (!shape || !kept) return;
    const which = [];
    for (let layer = 0; layer < shape.n_layer; layer++) if (few() || layer === layerShown) for (let head = 0; head < shape.n_head; head++) which.push([layer, head]);
    asked = performance.now();
    ask({ type: "attention", which });
  }
  function takeAttention(message) {
    positions = message.positions;
    message.which.forEach(([layer, head], i) => maps.set(layer + "," + head, message.maps[i]));
    if (current === "attention") drawAttention();
  }
  const heat = (p) => { // 0 .. 1 to a colour that is dark on light and light on dark
    const dark = matchMedia("(prefers-color-scheme: dark)").matches, s = Math.sqrt(p);
    return dark ? [35 + 215 * s, 39 + 150 * s, 47 + 60 * s * (1 - s) + 30 * s] : [250 - 110 * s * s - 20 * s, 248 - 190 * s, 243 - 225 * s];
  };
  function drawMap(canvas, map) {
    const n = Math.max(positions, 1);
    canvas.width = canvas.height = n;
    const g = canvas.getContext("2d"), image = g.createImageData(n, n);
    for (let t = 0, i = 0; t < n; t++) for (let u = 0; u <= t; u++, i++) {
      const [r, gr, b] = heat(map[i] / 255), at = 4 * (t * n + u);
      image.data[at] = r; image.data[at + 1] = gr; image.data[at + 2] = b; image.data[at + 3] = 255;
    }
    g.putImageData(image, 0, 0);
  }
  function drawAttention() {
    const box = $("attention");
    if (!kept) return box.replaceChildren(make("p", { className: "explain", textContent: "Attention is not recorded: this engine does not expose it, or the model is too large." }));
    if (!positions || !maps.size) return box.replaceChildren(make("p", { className: "explain", textContent: "Which earlier tokens each head attends to, read from the hardware's wires. Run, or step one token." }));
    let grid = box.querySelector(".maps");
    if (!grid || grid.dataset.for !== `${shape.n_layer},${shape.n_head},${layerShown}`) {
      const layers = few() ? [...Array(shape.n_layer).keys()] : [layerShown];
      grid = make("div", { className: "maps", style: few() ? `grid-template-columns:repeat(${Math.min(shape.n_head * Math.ceil(6 / shape.n_head), 12)},1fr)` : "" });
      grid.dataset.for = `${shape.n_layer},${shape.n_head},${layerShown}`;
      for (const layer of layers) for (let head = 0; head < shape.n_head; head++) {
        const canvas = make("canvas", {});
        const button = make("button", { type: "button", "aria-label": `Layer ${layer}, head ${head}` }, canvas);
        button.dataset.map = layer + "," + head;
        button.addEventListener("click", () => { chosen = [layer, head]; drawOver(); });
        grid.append(make("figure", {}, button, make("figcaption", { textContent: `layer ${layer}, head ${head}` })));
      }
      const select = few() ? "" : make("label", { textContent: "layer " }, make("select", { onchange: (e) => { layerShown = +e.target.value; maps = new Map(); askAttention(); } },
        ...[...Array(shape.n_layer).keys()].map((l) => make("option", { value: l, textContent: l, selected: l === layerShown }))));
      box.replaceChildren(make("div", { className: "split" }, make("div", {}, make("p", { className: "explain", textContent: "A row is the token that attends, a column the token attended to. Choose a head, and a token in the text." }), select, grid),
        make("div", {}, make("p", { className: "explain", id: "over-title" }), make("p", { className: "over", id: "over" }))));
    }
    for (const button of grid.querySelectorAll("button")) { const map = maps.get(button.dataset.map); if (map) drawMap(button.firstChild, map); }
    drawOver();
  }
  function drawOver() {
    const over = $("over"), map = maps.get(chosen.join(",")), tokens = tokensOf();
    if (!over || !map) return;
    const t = Math.min(step ? step.position : positions - 1, positions - 1), row = map.subarray(t * (t + 1) / 2, (t + 1) * (t + 2) / 2);
    $("over-title").textContent = `Layer ${chosen[0]}, head ${chosen[1]}: what “${visible(textOf(tokens[t]))}” at position ${t} attends to.`;
    over.replaceChildren(...Array.from(row, (p, u) => make("span", { textContent: textOf(tokens[u]), title: percent(p / 255), style: p > 3 ? `background:color-mix(in srgb, var(--accent) ${Math.round(Math.sqrt(p / 255) * 75)}%, transparent)` : "" })));
    for (const button of $("attention").querySelectorAll(".maps button")) button.firstChild.style.boxShadow = button.dataset.map === chosen.join(",") ? "0 0 0 3px var(--accent)" : "";
  }

  // ---------------------------------------------------------------------------------------- tensors

  // Name, what it is, and the wires that carry it.
  const TENSORS = [
    ["wte", "the token's row of the embedding", "embedding_row ▸ residual_add: emb_rows"], ["wpe", "the position's row", "residual_add: residual_rows"], ["drop", "their sum: what enters layer 0", "residual_add: residual_rows"],
    ["h.#.ln_1", "LayerNorm, the input of attention", "block_quant ▸ operand_buffer: op_m, op_exp"], ["h.#.attn.c_attn", "query, key and value of all heads", "rescale ▸ qkv_linear: rows"],
    ["h.#.attn.key", "the key as cached", "qkv_linear ▸ kv_cache: kv_q, kv_scale"], ["h.#.attn.value", "the value as cached", "qkv_linear ▸ kv_cache: kv_q, kv_scale"],
    ["h.#.attn.scores", "query times keys, before the softmax", "rescale ▸ attention_core: rows"], ["h.#.attn.probs", "softmax of the scores", "block_quant ▸ operand_buffer: op_m, op_exp, v_scales, pv_scale"],
    ["h.#.attn.context", "probabilities times values", "block_quant ▸ operand_buffer: op_m, op_exp"], ["h.#.attn.c_proj", "what attention adds to the hidden state", "rescale ▸ residual_add: rows"],
    ["h.#.resid_mid", "the hidden state after attention", "residual_add: residual_rows"], ["h.#.ln_2", "LayerNorm, the input of the MLP", "block_quant ▸ operand_buffer: op_m, op_exp"],
    ["h.#.mlp.c_fc", "the MLP's first matrix, before GELU", "rescale ▸ mlp_ffn: rows"], ["h.#.mlp.act", "after GELU", "block_quant ▸ operand_buffer: op_m, op_exp"],
    ["h.#.mlp.c_proj", "what the MLP adds to the hidden state", "rescale ▸ residual_add: rows"], ["h.#", "the hidden state after the layer", "residual_add: residual_rows"],
    ["ln_f", "LayerNorm, the input of the LM head", "block_quant ▸ operand_buffer: op_m, op_exp"], ["lm_head", "logits", "rescale ▸ final_linear: rows"],
  ];
  let tensor = "h.0.attn.c_attn";
  function tensorControls() {
    const select = make("select", { id: "tensor-name", onchange: () => { tensor = select.value; ask({ type: "tensor", name: tensor }); } });
    const layers = shape ? shape.n_layer : 0;
    const add = ([name]) => select.append(make("option", { value: name, textContent: name, selected: name === tensor }));
    TENSORS.slice(0, 3).forEach(add);
    for (let l = 0; l < layers; l++) TENSORS.slice(3, 17).forEach(([name]) => add([name.replace("#", l)]));
    TENSORS.slice(17).forEach(add);
    $("tensors").replaceChildren(make("div", { className: "split" }, make("div", {}, make("label", {}, "tensor (Hugging Face name)", select), make("p", { className: "explain", id: "tensor-text" }), make("div", { className: "numbers", id: "tensor-numbers", tabIndex: 0, role: "region", "aria-label": "The tensor's numbers" })),
      make("div", { className: "tensor" }, make("canvas", { id: "tensor-picture", role: "img", "aria-label": "The tensor as a picture" }), make("p", { className: "explain", id: "tensor-scale" }))));
  }
  function takeTensor(message) {
    if (message.name !== tensor || !$("tensor-text")) return;
    const known = TENSORS.find(([name]) => name.replace("#", "\\d+").replace(/\./g, ".") && new RegExp("^" + name.replace(/\./g, "\\.").replace("#", "\\d+") + "$").test(tensor));
    const x = message.values;
    $("tensor-text").textContent = `${known[1]}; from the wires of ${known[2]}.` + (x ? ` ${whole.format(x.length)} numbers, of the newest position that has it.` : " Not computed yet: run, or step one token.");
    const canvas = $("tensor-picture");
    if (!x) { canvas.width = 64; canvas.height = 16; $("tensor-numbers").replaceChildren(); $("tensor-scale").textContent = ""; return; }
    const rows = /scores|probs/.test(tensor) ? shape.n_head : Math.ceil(x.length / 64) > 64 ? Math.ceil(x.length / 256) : Math.ceil(x.length / 64), columns = Math.ceil(x.length / rows);
    let most = 0;
    for (const value of x) most = Math.max(most, Math.abs(value));
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.aspectRatio = `${columns} / ${Math.max(rows, columns / 12)}`;
    const g = canvas.getContext("2d"), image = g.createImageData(columns, rows), dark = matchMedia("(prefers-color-scheme: dark)").matches;
    for (let i = 0; i < columns * rows; i++) {
      const v = i < x.length ? Math.max(-1, Math.min(1, x[i] / (most || 1))) : 0, s = Math.sqrt(Math.abs(v)), to = v > 0 ? [194, 65, 12] : [37, 99, 185], base = dark ? [29, 32, 39] : [255, 255, 255];
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = base[c] + (to[c] - base[c]) * s;
      image.data[4 * i + 3] = 255;
    }
    g.putImageData(image, 0, 0);
    $("tensor-scale").textContent = `Blue is negative, orange is positive; full colour is ${most.toPrecision(3)}. ${rows} rows of ${columns}.`;
    canvas.onpointermove = (e) => { const box = canvas.getBoundingClientRect(), i = Math.floor((e.clientY - box.top) / box.height * rows) * columns + Math.floor((e.clientX - box.left) / box.width * columns); canvas.title = i < x.length ? `[${i}] ${x[i]}` : ""; };
    $("tensor-numbers").replaceChildren(...Array.from(x.subarray(0, 768), (v, i) => make("span", {}, make("i", { textContent: i }), Number(v.toPrecision(5)).toString())), ...(x.length > 768 ? [make("span", { textContent: `… ${whole.format(x.length - 768)} more` })] : []));
  }

  // ----------------------------------------------------------------------------------------- cycles

  let counters = null;
  function drawCycles() {
    const box = $("cycles");
    if (!counters) return box.replaceChildren(make("p", { className: "explain", textContent: "The hardware counts what it spends each cycle on. The table appears with the first cycle." }));
    const at = (phase, what) => Number(counters[phase * 10 + what]), sumOf = (what) => PHASES.reduce((s, p, phase) => s + at(phase, what), 0);
    const all = WHATS.reduce((s, w, what) => s + sumOf(what), 0) || 1, used = WHATS.map((w, i) => i).filter((what) => sumOf(what));
    const cell = (n) => make("td", { className: "n", textContent: n ? whole.format(n) : "" });
    const idle = WHATS.reduce((s, w, what) => s + (w.idle ? sumOf(what) : 0), 0);
    box.replaceChildren(make("p", { className: "explain", textContent: `The hardware's own counters: ${whole.format(all)} cycles in this run, the engine idle in ${percent(idle / all)} of them.` }),
      make("div", { className: "stack", role: "img", "aria-label": used.map((what) => `${WHATS[what].text} ${percent(sumOf(what) / all)}`).join(", ") },
        ...used.map((what) => make("i", { style: `flex:${sumOf(what)} 0 0;background:var(--${WHATS[what].color})`, title: `${WHATS[what].text}: ${percent(sumOf(what) / all)}` }))),
      make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Cycles by phase and by use" }, make("table", {},
        make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "at" }), ...used.map((what) => make("th", { className: "n", scope: "col" }, make("i", { className: "key", style: `display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.3em;background:var(--${WHATS[what].color})` }), WHATS[what].text)), make("th", { className: "n", scope: "col", textContent: "all" }))),
        make("tbody", {}, ...PHASES.map((phase, p) => make("tr", {}, make("th", { scope: "row", textContent: phase.text }), ...used.map((what) => cell(at(p, what))), cell(used.reduce((s, what) => s + at(p, what), 0)))),
          make("tr", {}, make("th", { scope: "row", textContent: "all" }), ...used.map((what) => cell(sumOf(what))), cell(all))))));
  }

  function refresh() {
    if (current === "candidates") drawCandidates();
    if (current === "attention") { drawAttention(); askAttention(); }
    if (current === "tensors") { if (!$("tensor-name")) tensorControls(); ask({ type: "tensor", name: tensor }); }
    if (current === "cycles") drawCycles();
  }
  // Refreshes twice a second during a run, and at once when it halts.
  function moved(given, now) {
    counters = given || counters;
    if (now || performance.now() - asked > 500) { asked = performance.now(); if (current !== "candidates") refresh(); }
  }
  function clear() {
    step = null; maps = new Map(); positions = 0; counters = null;
    refresh();
  }
  function setModel(given, keeps, options) {
    shape = given; kept = keeps; textOf = options.textOf; tokensOf = options.tokensOf; ask = options.ask;
    layerShown = 0; chosen = [0, 0]; tensor = "h.0.attn.c_attn";
    for (const name of ["tensors", "attention"]) if ($(name)) $(name).replaceChildren();
    clear();
  }
  const visible = (text) => text.replace(/\n/g, "⏎").replace(/^ $/, "␣") || "∅";
  return { showStep, takeAttention, takeTensor, moved, clear, setModel, refresh, visible, sums: () => counters };
})();
