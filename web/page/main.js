// SPDX-License-Identifier: Apache-2.0
//
// main.js - the page: its machine, the text that it writes, and the controls
"use strict";

const state = {
  worker: null, epoch: 0, requests: 0, shape: null, vocabulary: [], ready: false, running: false, active: false, machine: { lanes: 64, norm: 64 },
  ids: [], steps: [], tokens: [], follows: true, chosen: null, image: null, files: null, own: "", opened: performance.now(), firstToken: 0, costs: new Map(), memory: "latency=150,beats=1,stall=0",
};

// ------------------------------------------------------------------------------------------- worker

let workerUrl = null;
// A worker that runs the machine on a model. options: image, or compile with files. Rejects with the machine's error sentence.
async function startWorker(machine, options) {
  if (!workerUrl) workerUrl = URL.createObjectURL(new Blob([await assetText("machine.js"), "\n", await assetText("worker.js")], { type: "text/javascript" }));
  const wasm = await asset(`machine-${machine.lanes}-${machine.norm}.wasm`), worker = new Worker(workerUrl);
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.type === "ready") resolve({ worker, ready: data });
      else { worker.terminate(); reject(new Error(data.text)); }
    };
    worker.onerror = (event) => { worker.terminate(); reject(new Error(event.message || "the worker did not start")); };
    worker.postMessage({ type: "open", epoch: 0, wasm, memory: state.memory, ...options }, [wasm]);
  });
}
function send(message) {
  if (state.worker) state.worker.postMessage({ epoch: state.epoch, ...message });
}

// The previous model runs on until the new one is ready, and stays if that fails. Of several requests the last one counts.
async function openModel(options, name, machine = state.machine) {
  const request = ++state.requests;
  setReady(false);
  $("fault").hidden = true;
  say(name ? `Compiling ${name}: its weights become a memory image.` : "Loading the machine.");
  let opened;
  try { opened = await startWorker(machine, options); } catch (error) {
    if (request !== state.requests) return false;
    fault(name ? error.message.replaceAll("/model", name) : error.message);
    if (state.worker) { setReady(true); showMachine(); say("The previous model is still loaded."); }
    return false;
  }
  const { worker, ready } = opened;
  if (request !== state.requests) { worker.terminate(); return false; }
  if (state.worker) state.worker.terminate();
  state.worker = worker;
  state.machine = machine;
  showMachine();
  state.epoch++;
  worker.onmessage = ({ data }) => { if (data.epoch === state.epoch) take[data.type](data); };
  worker.onerror = (event) => {
    state.running = state.active = false;
    setReady(false);
    fault(`the machine stopped: ${event.message}; reload the page`);
  };
  Object.assign(state, { shape: ready.shape, vocabulary: ready.vocabulary, ids: [], steps: [], tokens: [], active: false, running: false, chosen: null, texts: [] });
  if (ready.image) state.image = ready.image;
  timeline.setShape(ready.shape, (id) => panels.visible(textOf(id)));
  panels.setModel(ready.shape, ready.kept, { textOf, tokensOf: () => state.steps.length ? positionIds() : [], ask: send });
  timeline.clear();
  $("output").replaceChildren();
  send({ type: "memory", settings: state.memory }); // it may have changed
  const s = ready.shape;
  $("model").textContent = `${name || "The demo model"}: ${s.n_layer} layers, ${s.n_head} heads, width ${s.n_embd}, context ${s.n_ctx}, ${whole.format(s.vocab_size)} tokens, ${short(s.parameters)} parameters.`;
  setReady(true);
  say(`Ready after ${((performance.now() - state.opened) / 1000).toFixed(1)} s: the hardware has ${s.lanes} multipliers, and its memory holds a model of ${short(s.parameters)} parameters.`);
  return true;
}

const decoder = new TextDecoder();
function textOf(id) {
  if (!state.texts) state.texts = [];
  return state.texts[id] ?? (state.texts[id] = state.vocabulary[id] ? decoder.decode(state.vocabulary[id]) : "");
}
// The id at each position of the context.
function positionIds() {
  const ids = [];
  for (const step of state.steps) ids[step.position] = step.id;
  return ids;
}

// ---------------------------------------------------------------------------------------- messages

const take = {
  begun: ({ prompt }) => {
    state.ids = Array.from(prompt);
    $("output").replaceChildren();
    state.tokens = [];
    for (const id of state.ids) addToken(id, textOf(id), false);
  },
  report: (data) => {
    const w = data.report, reports = { 1: takeToken, 2: takeStep, 3: (words, i) => timeline.add(words, i), 4: (words, i) => timeline.add(words, i, true) };
    timeline.closeAll();
    for (let i = 0; i < w.length; i += w[i + 1] + 2) reports[w[i]](w, i + 2, w[i + 1]);
    state.now = data.now;
    state.rate = data.rate;
    state.goldenRate = data.goldenRate;
    showSpeed();
    showNow(data.now, data.cycles);
    timeline.setCursor(state.running ? null : data.cycles);
    timeline.moved();
    panels.moved(data.counters, false);
    if (state.follows && state.steps.length) panels.showStep(lastWithHead());
  },
  halted: ({ over, paused, aborted, cycles }) => {
    state.running = false;
    if (over) state.active = false;
    if (state.now) showNow(state.now, cycles);
    timeline.setCursor(over ? null : cycles);
    timeline.moved();
    panels.moved(null, true);
    buttons();
    const at = `cycle ${whole.format(cycles)}`;
    say(aborted ? `Stopped at ${at}: the hardware ended the run.` : over ? `Done: ${written()} tokens in ${whole.format(cycles)} cycles.` : paused ? `Paused at ${at}.` : `At ${at}.`);
  },
  error: ({ text }) => { state.running = state.active = false; buttons(); fault(text); },
  tensor: (data) => panels.takeTensor(data),
  attention: (data) => panels.takeAttention(data),
};
const written = () => state.tokens.filter((t) => t.fresh && t.id !== 0xffffffff).length;

function takeToken(w, i) {
  const id = w[i], n = w[i + 1], text = decoder.decode(new Uint8Array(w.buffer, w.byteOffset + 4 * (i + 2), n));
  if (!state.firstToken) state.firstToken = performance.now() - state.opened;
  addToken(id, text, true);
}
function addToken(id, text, fresh) {
  const token = { id, text, fresh, index: state.tokens.length, step: null };
  const span = make("span", { textContent: text, className: fresh ? "new" : "", title: fresh ? "" : `token ${id}` });
  token.span = span;
  span.addEventListener("click", () => chooseToken(token));
  state.tokens.push(token);
  const output = $("output"), near = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
  if (fresh) token.step = lastWithHead();
  if (fresh) span.title = `token ${id}${token.step ? ", " + percent((token.step.candidates.find((c) => c.id === id) || { probability: 0 }).probability) : ""}`;
  output.append(span);
  if (near) output.scrollTop = output.scrollHeight;
}
function chooseToken(token) {
  for (const t of state.tokens) t.span.classList.toggle("chosen", t === token);
  if (!token) return;
  const step = token.step || state.steps.find((s) => s.position === token.index);
  state.follows = false;
  if (step) panels.showStep(step);
}
function takeStep(w, i, n) {
  const f = new Float32Array(w.buffer, w.byteOffset, w.length);
  const step = { id: w[i], position: w[i + 1], head: !!w[i + 2], choice: w[i + 3], recomputed: !!w[i + 4], cycles: w[i + 5] + w[i + 6] * 4294967296, candidates: [] };
  for (let k = 7; k < n; k += 3) step.candidates.push({ id: w[i + k], probability: f[i + k + 1], drawn: f[i + k + 2] });
  state.steps.push(step);
}
function lastWithHead() {
  for (let i = state.steps.length - 1; i >= 0; i--) if (state.steps[i].head) return state.steps[i];
  return null;
}

// Mean cycles from one chosen token to the next, over the last 16.
function cost() {
  const ends = [];
  for (let i = state.steps.length - 1; i >= 0 && ends.length < 17; i--) { if (!state.steps[i].head) break; ends.push(i); }
  if (!ends.length) return 0;
  const first = ends[ends.length - 1], before = first > 0 ? state.steps[first - 1].cycles : 0;
  return (state.steps[ends[0]].cycles - before) / ends.length;
}
function showSpeed() {
  const cycles = cost();
  $("v-rate").textContent = short(state.rate);
  if (state.goldenRate) $("v-golden").textContent = short(state.goldenRate);
  if (!cycles) return;
  const { lanes, norm } = state.machine;
  $("v-cycles").textContent = whole.format(cycles);
  $("v-text").textContent = short(state.rate / cycles);
  $("v-board").textContent = short(80e6 / cycles);
  $("n-cycles").textContent = `${lanes} multipliers`;
  const what = `${lanes} multipliers, LayerNorm ${norm}, ${state.memory.replace("latency=", "latency ").replace("beats=", "bandwidth ").replace("stall=", "stalls ").replaceAll(",", ", ")}`;
  state.costs.delete(what);
  state.costs.set(what, cycles);
  $("was").replaceChildren(...[...state.costs].slice(-5).reverse().map(([name, n]) => make("tr", {}, make("td", { className: "n", textContent: whole.format(n) }), make("td", { textContent: name }))));
}

// The diagram lights the units that work in the newest cycle.
const lights = new Map([...document.querySelectorAll("#diagram [data-unit]")].map((g) => [g.dataset.unit, g]));
for (const [unit, g] of lights) if (unit !== "memory" && unit !== "operand_buffer") {
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = `${unit}.sv: show the source`;
  g.prepend(title);
  g.addEventListener("click", () => showSource(unit));
}
function showNow(now, cycles) {
  const units = now[2];
  UNITS.forEach((unit, i) => { const g = lights.get(unit); if (g) g.classList.toggle("lit", units >> i & 1); });
  lights.get("memory").classList.toggle("lit", !!(units >> 2 & 1));
  lights.get("operand_buffer").classList.toggle("lit", !!((units >> 4 | units >> 12) & 1));
  if (state.running) return;
  const phase = PHASES[now[3]], what = WHATS[now[7]];
  $("now").textContent = `Cycle ${whole.format(cycles)}, position ${now[6]}: ` + (now[3] === 10 ? "start of the position" : `${phase.text}${now[3] > 1 && now[3] < 9 ? `, layer ${now[4]}` : ""}${perHead(now[3]) ? `, head ${now[5]}` : ""}`) +
    ". " + (what.idle ? `The engine ${what.text === "hand-over" ? "waits for a unit to hand over" : what.text}.` : `A beat is taken: ${what.text}.`) + ` ${now[8]} beats wait in the queue.`;
}

// ---------------------------------------------------------------------------------------- controls

const say = (text) => { $("state").textContent = text; };
function fault(text) { $("fault").textContent = text; $("fault").hidden = false; }
function setReady(ready) { state.ready = ready; buttons(); }
function buttons() {
  $("run").disabled = !state.ready;
  $("run-text").textContent = state.running ? "Pause" : state.active ? "Resume" : "Run";
  $("run").firstElementChild.textContent = state.running ? "❚❚" : "▶";
  $("stop").disabled = !state.active;
  for (const button of document.querySelectorAll("[data-step]")) button.disabled = !state.ready || state.running;
}
function go(until) {
  if (!state.ready) return;
  $("fault").hidden = true;
  if (state.active) send({ type: "go", until });
  else {
    const seed = $("seed").value.trim() || "0";
    if (!/^[0-9]{1,20}$/.test(seed) || BigInt(seed) > 0xffffffffffffffffn) return fault(`seed '${seed}': expected 0 to 2^64 - 1`);
    const tokens = Number($("tokens").value);
    if (!(tokens >= 1 && tokens <= 1000000 && Number.isInteger(tokens))) return fault(`tokens '${$("tokens").value}': expected 1 to 1000000`);
    state.epoch++;
    Object.assign(state, { now: null, steps: [], tokens: [], chosen: null, follows: true, active: true });
    timeline.clear();
    panels.clear();
    send({ type: "begin", prompt: $("prompt").value, tokens, temperature: Number($("temperature").value), topK: Number($("top-k").value), seed, until });
  }
  state.running = true;
  timeline.setCursor(null);
  buttons();
  if (until === "run") say("The hardware is writing.");
}
function pause() { send({ type: "pause" }); }
function stop() { if (state.active) send({ type: "abort" }); }
$("run").addEventListener("click", () => state.running ? pause() : go("run"));
$("stop").addEventListener("click", stop);
for (const button of document.querySelectorAll("[data-step]")) button.addEventListener("click", () => go(button.dataset.step));
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $("source").open) return;
  const steps = { c: "cycle", j: "job", l: "layer", t: "token" };
  if (e.key === "Escape") stop();
  else if (e.target.matches("input, textarea, select")) return;
  else if (e.key === " " && !e.target.matches("canvas, button")) { e.preventDefault(); state.running ? pause() : go("run"); }
  else if (steps[e.key] && !state.running) go(steps[e.key]);
});
$("prompt").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); if (!state.running) go("run"); } });

for (const [id, show] of [["temperature", (x) => Number(x) ? Number(x).toFixed(2) : "0"], ["top-k", (x) => x]]) {
  const update = () => { $(id + "-text").textContent = show($(id).value); };
  $(id).addEventListener("input", update);
  update();
}
const LATENCIES = [1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000]; // cycles
function memory() {
  const latency = LATENCIES[$("latency").value], beats = $("beats").value / 100, stall = $("stall").value / 100;
  $("latency-text").textContent = `${whole.format(latency)} cycle${latency > 1 ? "s" : ""}`;
  $("beats-text").textContent = beats === 1 ? "1 beat per cycle" : `${beats.toFixed(2)} beats per cycle`;
  $("stall-text").textContent = stall ? `${Math.round(100 * stall)} % of the cycles` : "none";
  state.memory = `latency=${latency},beats=${beats},stall=${stall}`;
  send({ type: "memory", settings: state.memory });
}
for (const id of ["latency", "beats", "stall"]) $(id).addEventListener("input", memory);

function showMachine() {
  for (const [name, value] of Object.entries(state.machine)) document.querySelector(`[name=${name}][value="${value}"]`).checked = true;
}
async function change() {
  const had = state.steps.length > 0 && (state.running || state.active || state.tokens.length > 0);
  const machine = { lanes: Number(document.querySelector("[name=lanes]:checked").value), norm: Number(document.querySelector("[name=norm]:checked").value) };
  state.opened = performance.now();
  if (!state.image) state.machine = machine; // the demo model is still on its way
  else if (await openModel({ image: state.image.slice(0), files: state.files }, state.own, machine) && had) go("run");
}
for (const radio of document.querySelectorAll("[name=lanes], [name=norm]")) radio.addEventListener("change", change);

// ---------------------------------------------------------------------------------- their own model

const WANTED = /^(config|generation_config|adapter_config|vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens|.*\.safetensors\.index)\.json$|^merges\.txt$|\.safetensors$/;
async function takeFolder(name, list) {
  const files = {}, small = {};
  try { for (const file of list) if (WANTED.test(file.name)) files[file.name] = await file.arrayBuffer(); } catch (error) { return fault(`${name}: ${error.message}`); }
  for (const [file, data] of Object.entries(files)) if (!file.endsWith(".safetensors")) small[file] = data;
  state.opened = performance.now();
  if (!await openModel({ files, compile: true, keep: true }, name)) return;
  state.files = small;
  state.own = name;
  $("demo").hidden = false;
}
$("folder").addEventListener("change", () => {
  const list = [...$("folder").files];
  if (list.length) takeFolder((list[0].webkitRelativePath || "model").split("/")[0], list.filter((f) => (f.webkitRelativePath.match(/\//g) || []).length < 2));
  $("folder").value = "";
});
const drop = $("drop");
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (e) => { e.preventDefault(); drop.classList.add("over"); });
for (const name of ["dragleave", "drop"]) document.addEventListener(name, (e) => { e.preventDefault(); if (name === "drop" || !e.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", async (e) => {
  const entries = [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  const folder = entries.find((entry) => entry.isDirectory);
  let inside = entries.filter((entry) => entry.isFile);
  if (folder) {
    const reader = folder.createReader();
    for (let part; (part = await new Promise((done, failed) => reader.readEntries(done, failed))).length;) inside.push(...part.filter((entry) => entry.isFile));
  }
  if (!inside.length) return;
  takeFolder(folder ? folder.name : "model", await Promise.all(inside.map((entry) => new Promise((done, failed) => entry.file(done, failed)))));
});
async function openDemo() {
  const [image, config, vocab, merges] = await Promise.all(["demo.image", "config.json", "vocab.json", "merges.txt"].map(asset));
  state.image = image;
  state.files = { "config.json": config, "vocab.json": vocab, "merges.txt": merges };
  state.own = "";
  $("demo").hidden = true;
  return openModel({ image: image.slice(0), files: state.files }, "");
}
$("demo").addEventListener("click", () => { state.opened = performance.now(); openDemo(); });

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); timeline.later(); panels.refresh(); });
panels.refresh();
timeline.later();
openDemo();
