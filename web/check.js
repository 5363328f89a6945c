// SPDX-License-Identifier: Apache-2.0
//
// check.js FOLDER GPT2RTL MACHINE... - tests the page's machines in Node, without a page
//
// Each machine must write the same text of the demo model as the golden engine of the program
// GPT2RTL; the first one writes past a context crop. A folder compiled in WebAssembly must give the
// image that the program compiles. A model that does not fit must be refused with the program's
// sentence.
"use strict";
const fs = require("fs"), os = require("os"), path = require("path"), { spawnSync } = require("child_process");
const [folder, program, ...machines] = process.argv.slice(2);
const Machine = require(path.resolve(folder, "machine.js"));
const PROMPT = "Once upon a time", SEED = "7";
let failed = 0;

function result(name, wrong) {
  if (wrong) console.log(wrong);
  console.log(`[${wrong ? "  FAILED  " : "       OK "}] ${name}`);
  if (wrong) failed = 1;
}
function run(...args) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  return { status, stdout, stderr };
}
async function load(machine) {
  const M = await Machine({ wasmBinary: fs.readFileSync(path.join(folder, `machine-${machine}.wasm`)), print: () => {}, printErr: () => {} });
  const call = (name, result, types, ...args) => M.ccall ? M.ccall("machine_" + name, result, types, args) : M.cwrap("machine_" + name, result, types)(...args);
  M.FS.mkdir("/model");
  return { M, call, error: () => call("error", "string", []) };
}
function give(M, dir, names) {
  for (const name of M.FS.readdir("/model")) if (name[0] != ".") M.FS.unlink("/model/" + name);
  for (const name of names) M.FS.writeFile("/model/" + name, fs.readFileSync(path.join(dir, name)));
}
function begin({ M, call, error }, prompt, tokens, temperature, topK, seed) {
  const data = Buffer.from(prompt), at = M._malloc(data.length + 1);
  M.HEAPU8.set(data, at);
  if (call("begin", "number", ["number", "number", "number", "number", "number", "string"], at, data.length, tokens, temperature, topK, seed)) throw new Error(error());
}
// The text of a run, and its cycles.
function write(made, ...run) {
  const { M, error } = made, parts = [];
  begin(made, ...run);
  let status;
  do {
    status = M._machine_advance(50000);
    const n = M._machine_report_size(), words = new Uint32Array(M.HEAPU8.buffer, M._machine_report(), n);
    for (let i = 0; i < n; i += words[i + 1] + 2)
      if (words[i] === 1) parts.push(Buffer.from(new Uint8Array(words.buffer, words.byteOffset + 4 * (i + 4), words[i + 3]).slice()));
    M._machine_report_taken();
  } while (status === 1);
  if (status) throw new Error(error());
  return { text: Buffer.concat(parts).toString(), cycles: M._machine_cycles() };
}

(async () => {
  console.log(`[==========] Running ${machines.length + 4} test(s).`);
  const costs = [];
  for (const machine of machines) {
    const tokens = machine === machines[0] ? 270 : 30;
    const golden = run("generate", "--model", "models/demo", "--engine", "golden", "--prompt", PROMPT, "--tokens", String(tokens), "--temperature", "0.8", "--seed", SEED);
    const name = `web.machine_${machine.replace("-", "_")}`;
    console.log(`[ RUN      ] ${name}`);
    try {
      const made = await load(machine), from = process.cpuUsage().user;
      give(made.M, "models/demo", ["config.json", "vocab.json", "merges.txt"]);
      made.M.FS.writeFile("/image", fs.readFileSync(path.join(folder, "demo.image")));
      if (made.call("open", "number", [])) throw new Error(made.error());
      const { text, cycles } = write(made, PROMPT, tokens, 0.8, 40, SEED);
      console.log(`${machine}: ${Math.round(cycles)} cycles, ${(cycles / (process.cpuUsage().user - from)).toFixed(2)} million a second of processor time`);
      costs.push(cycles / tokens);
      result(name, text === golden.stdout ? "" : `the machine wrote\n${text}\nthe golden engine\n${golden.stdout}${golden.stderr}`);
    } catch (error) { result(name, String(error.message || error)); }
  }
  console.log("[ RUN      ] web.lanes_and_norm_width_cost_cycles");
  result("web.lanes_and_norm_width_cost_cycles", new Set(costs).size === machines.length ? "" : `cycles of ${machines}: ${costs}`);

  const home = fs.mkdtempSync(path.join(os.tmpdir(), "gpt2rtl-web-")), nano = path.join(home, "nano");
  try {
    console.log("[ RUN      ] web.compiles_as_the_program");
    run("random-model", "--config", "nano", "--seed", "3", "--output", nano);
    const lanes = machines[0].split("-")[0];
    run("compile", "--model", nano, "--lanes", lanes, "--output", path.join(home, "image"));
    const made = await load(machines[0]);
    give(made.M, nano, fs.readdirSync(nano));
    let wrong = made.call("compile", "number", []) ? made.error() : "";
    if (!wrong && Buffer.compare(Buffer.from(made.M.FS.readFile("/image")), fs.readFileSync(path.join(home, "image")))) wrong = "the images differ";
    if (!wrong && made.call("open", "number", [])) wrong = made.error();
    if (!wrong) {
      const expected = run("generate", "--model", nano, "--engine", "golden", "--prompt", "ab", "--tokens", "40", "--temperature", "1", "--seed", "5").stdout;
      const { text } = write(made, "ab", 40, 1, 40, "5");
      if (text !== expected) wrong = `nano wrote ${JSON.stringify(text)}, golden ${JSON.stringify(expected)}`;
    }
    result("web.compiles_as_the_program", wrong);

    // After an abort at any cycle, the next run shows the attention of every position.
    console.log("[ RUN      ] web.attention_after_aborts");
    for (let cycles = 100; !wrong && cycles < 60000; cycles += 997) {
      begin(made, "ab", 40, 1, 40, "5");
      made.M._machine_advance(cycles);
      if (made.call("abort", "number", [])) wrong = made.error();
    }
    if (!wrong) write(made, "ab", 40, 1, 40, "5");
    const rows = made.call("attention_positions", "number", []);
    if (!wrong && rows !== 41) wrong = `attention of ${rows} positions, 41 expected`;
    result("web.attention_after_aborts", wrong);

    console.log("[ RUN      ] web.refuses_as_the_program");
    fs.writeFileSync(path.join(nano, "config.json"), fs.readFileSync(path.join(nano, "config.json"), "utf8").replace(/"n_embd": *\d+/, '"n_embd": 100'));
    const said = run("compile", "--model", nano, "--lanes", lanes, "--output", path.join(home, "image")).stderr.replace(/^gpt2rtl: /gm, "").trim();
    give(made.M, nano, fs.readdirSync(nano));
    const status = made.call("compile", "number", []), text = made.error().replaceAll("/model", nano);
    result("web.refuses_as_the_program", status && text === said ? "" : `the page says (${status})\n${text}\nthe program\n${said}`);
  } finally { fs.rmSync(home, { recursive: true }); }
  process.exit(failed);
})();
