// SPDX-License-Identifier: Apache-2.0
//
// worker.js - the machine's thread: it runs a few milliseconds at a time, so that it obeys a message at once
//
// The page puts Emscripten's loader, which defines Machine, in front of this script. Messages from the page: open, begin, go,
// pause, abort, memory, tensor, attention. Messages to the page: ready, begun, report, halted, tensor, attention, error. Each
// answer carries the `epoch` of the message before it, so that the page can drop answers of an earlier run.
"use strict";

const SLICE = 12; // milliseconds between looks at the messages
let M, call, image, goal = null, epoch = 0, active = 0, ticking = false;
const channel = new MessageChannel();

function bind(module) {
  M = module;
  const c = (name, result, args) => M.cwrap("machine_" + name, result, args);
  const n = "number", s = "string";
  call = {
    error: c("error", s, []), open: c("open", n, []), compile: c("compile", n, []), memory: c("memory", n, [s]), shape: c("shape", n, [s]),
    token: c("token", n, [n]), tokenSize: c("token_size", n, [n]), begin: c("begin", n, [n, n, n, n, n, s]), abort: c("abort", n, []),
    advance: c("advance", n, [n]), step: c("step", n, [n, n]), cycles: c("cycles", n, []), counters: c("counters", n, []), now: c("now", n, []),
    goldenRate: c("golden_rate", n, []), report: c("report", n, []), underWay: c("report_under_way", null, []),
    reportSize: c("report_size", n, []), reportTaken: c("report_taken", null, []), prompt: c("prompt", n, []), promptSize: c("prompt_size", n, []),
    tensor: c("tensor", n, [s]), tensorSize: c("tensor_size", n, []), attention: c("attention", n, [n, n]), positions: c("attention_positions", n, []),
    kept: c("attention_kept", n, []),
  };
}

const words = (at, n) => new Uint32Array(M.HEAPU8.buffer, at, n).slice();
function fail(text) { goal = null; postMessage({ type: "error", epoch, text }); }
function bytes(data, use) {
  const at = M._malloc(data.length + 1);
  M.HEAPU8.set(data, at);
  try { return use(at, data.length); } finally { M._free(at); }
}

// The bytes of each token. A token may end within a character.
function vocabulary() {
  const n = call.shape("vocab_size"), list = [];
  for (let id = 0; id < n; id++) {
    const size = call.tokenSize(id);
    list.push(size ? M.HEAPU8.slice(call.token(id), call.token(id) + size) : new Uint8Array(0));
  }
  return list;
}

async function open(message) {
  const from = performance.now();
  if (message.wasm) bind(await Machine({ wasmBinary: message.wasm, print: () => {}, printErr: () => {} }));
  const files = message.files;
  if (files) {
    if (M.FS.analyzePath("/model").exists) for (const name of M.FS.readdir("/model")) if (name[0] != ".") M.FS.unlink("/model/" + name);
    if (!M.FS.analyzePath("/model").exists) M.FS.mkdir("/model");
    for (const [name, data] of Object.entries(files)) M.FS.writeFile("/model/" + name, new Uint8Array(data));
  }
  if (message.image) image = new Uint8Array(message.image);
  if (message.compile) {
    if (call.compile()) return fail(call.error());
    image = M.FS.readFile("/image");
    for (const name of M.FS.readdir("/model")) if (name.endsWith(".safetensors")) M.FS.unlink("/model/" + name);
  } else M.FS.writeFile("/image", image);
  if (call.open()) return fail(call.error());
  if (message.memory && call.memory(message.memory)) return fail(call.error());
  const shape = {};
  for (const name of ["n_layer", "n_head", "n_embd", "n_ctx", "vocab_size", "lanes", "beats", "parameters"]) shape[name] = call.shape(name);
  postMessage({ type: "ready", epoch, shape, vocabulary: vocabulary(), kept: call.kept(), milliseconds: performance.now() - from,
                image: message.keep ? image.slice().buffer : null });
}

function begin(message) {
  if (goal !== null || active) call.abort();
  active = 0;
  goal = null;
  const status = bytes(new TextEncoder().encode(message.prompt), (at, n) =>
    call.begin(at, n, message.tokens, message.temperature, message.topK, message.seed));
  if (status) return fail(call.error());
  active = 1;
  spent = 0;
  postMessage({ type: "begun", epoch, prompt: words(call.prompt(), call.promptSize()) });
  go(message.until);
}

function go(until) {
  if (!active) return;
  goal = until;
  if (!ticking) { ticking = true; channel.port2.postMessage(0); }
}

let spent = 0, shown = 0;
const STEPS = { cycle: 0, job: 1, layer: 2, token: 3 };
function tell(force) {
  const at = performance.now();
  if (!force && at - shown < 30) return;
  shown = at;
  call.underWay();
  const report = words(call.report(), call.reportSize());
  call.reportTaken();
  const counters = new BigUint64Array(M.HEAPU8.buffer, call.counters(), 110).slice();
  const now = words(call.now(), 12);
  postMessage({ type: "report", epoch, report, counters, now, cycles: call.cycles(), rate: spent ? call.cycles() / spent * 1000 : 0,
                goldenRate: call.goldenRate() }, [report.buffer, counters.buffer]);
}
channel.port1.onmessage = () => {
  if (goal === null) { ticking = false; return; }
  const from = performance.now();
  let status = 1;
  do {
    status = goal === "run" ? call.advance(2000) : call.step(STEPS[goal], 4000);
  } while (status === 1 && performance.now() - from < SLICE);
  spent += performance.now() - from;
  if (status !== 1) goal = null;
  if (status <= 0) active = 0;
  tell(status !== 1);
  if (status === -1) { ticking = false; return fail(call.error()); }
  if (status !== 1) { ticking = false; postMessage({ type: "halted", epoch, over: status === 0, cycles: call.cycles() }); return; }
  channel.port2.postMessage(0);
};

const handle = {
  open, begin,
  go: (message) => go(message.until),
  pause: () => { const was = goal !== null; goal = null; if (active) tell(true); if (was) postMessage({ type: "halted", epoch, over: false, paused: true, cycles: call.cycles() }); },
  abort: () => {
    goal = null;
    if (active) {
      active = 0;
      if (call.abort()) return fail(call.error());
      tell(true);
    }
    postMessage({ type: "halted", epoch, over: true, aborted: true, cycles: call.cycles() });
  },
  memory: (message) => { if (call.memory(message.settings)) fail(call.error()); },
  tensor: (message) => {
    const at = call.tensor(message.name), n = call.tensorSize();
    postMessage({ type: "tensor", epoch, name: message.name, values: at ? new Float32Array(M.HEAPU8.buffer, at, n).slice() : null, error: at ? "" : call.error() });
  },
  attention: (message) => {
    const n = call.positions(), size = n * (n + 1) / 2, maps = [];
    for (const [layer, head] of message.which) maps.push(M.HEAPU8.slice(call.attention(layer, head), call.attention(layer, head) + size));
    postMessage({ type: "attention", epoch, which: message.which, positions: n, maps, tag: message.tag });
  },
};
onmessage = async ({ data }) => {
  epoch = data.epoch;
  try { await handle[data.type](data); } catch (error) {
    fail(error instanceof RangeError || /memory/i.test(error.message) ? "the browser has too little memory for this model" : String(error.message || error));
  }
};
