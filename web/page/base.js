// SPDX-License-Identifier: Apache-2.0
//
// base.js - what the page's scripts share: elements, numbers as text, the page's files
"use strict";

const $ = (id) => document.getElementById(id);
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// 15,694 or 1.89 M: three significant digits, but every digit of 1,000 to 999,999.
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = (x) => !isFinite(x) ? "–" : x >= 1e6 ? (x / 1e6).toPrecision(3) + " M" : x >= 1000 ? whole.format(x) : x >= 100 ? x.toFixed(0) : Number(x.toPrecision(3)).toString();
const percent = (x) => (100 * x).toFixed(x < 0.0995 ? 2 : 1) + " %";

// One of the page's files: compressed base64 inside the page, or a file beside it.
async function asset(name) {
  const inside = $("asset-" + name);
  if (!inside) {
    const answer = await fetch(name);
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer.arrayBuffer();
  }
  const packed = Uint8Array.from(atob(inside.textContent.trim()), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
const assetText = async (name) => new TextDecoder().decode(await asset(name));

// Names of phases, of what cycles are spent on, and of units, in the order of the enums in gpt2_pkg.h,
// counters.h and timeline.h.
const PHASES = [
  { name: "position", text: "position row", color: "embed", unit: "embedding_row" }, { name: "token", text: "token row", color: "embed", unit: "embedding_row" },
  { name: "layernorm", text: "LayerNorm's gain and bias", short: "LN", color: "norm", unit: "layernorm" }, { name: "qkv", text: "query, key, value", short: "QKV", color: "qkv", unit: "qkv_linear" },
  { name: "scores", text: "scores", short: "S", color: "scores", unit: "attention_core" }, { name: "pv", text: "probabilities times values", short: "PV", color: "pv", unit: "attention_core" },
  { name: "projection", text: "attention's projection", short: "P", color: "proj", unit: "residual_add" }, { name: "mlp1", text: "MLP, first matrix", short: "MLP 1", color: "mlp1", unit: "mlp_ffn" },
  { name: "mlp2", text: "MLP, second matrix", short: "MLP 2", color: "mlp2", unit: "residual_add" }, { name: "head", text: "LM head", short: "head", color: "head", unit: "final_linear" },
  { name: "start", text: "start of a position", short: "", color: "handover", unit: "sequencer" },
];
const WHATS = [
  { text: "weights", color: "mlp1" }, { text: "padding", color: "norm" }, { text: "scales and biases", color: "proj" }, { text: "keys and values", color: "scores" }, { text: "embedding, gain and bias", color: "embed" },
  { text: "waits for memory", color: "memory", idle: true }, { text: "waits for LayerNorm", color: "layernorm", idle: true }, { text: "waits for softmax", color: "softmax", idle: true },
  { text: "waits for sampling", color: "sampling", idle: true }, { text: "hand-over", color: "handover", idle: true },
];
const UNITS = ["controller", "sequencer", "weight_stream", "embedding_row", "matvec", "rescale", "residual_add", "layernorm", "qkv_linear", "kv_cache", "attention_core",
  "mlp_ffn", "block_quant", "final_linear", "sampling"];
const perHead = (phase) => phase >= 3 && phase <= 6;

// The page's colours, which the style sheet sets for light and dark.
let palette = {};
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  palette = {};
  for (const name of ["ink", "soft", "line", "panel", "paper", "track", "accent", "lit", "unit", "read", "write", "qkv", "scores", "pv", "proj", "mlp1", "mlp2", "head", "embed", "norm",
    "memory", "layernorm", "softmax", "sampling", "handover"]) palette[name] = style.getPropertyValue("--" + name).trim();
}
readPalette();

// A canvas at the screen's own resolution; draws in CSS pixels.
function fit(canvas) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return { g, width, height };
}

// Shows the source of a hardware module. The page of `gpt2rtl report` has no sources.
const withSources = !!$("source");
let sources = null;
async function showSource(unit) {
  if (!sources) sources = JSON.parse(await assetText("sources.json"));
  const path = Object.keys(sources).find((name) => name.endsWith(`/${unit}.sv`));
  if (!path) return;
  $("source-title").textContent = path;
  $("source").querySelector("pre").textContent = sources[path];
  $("source").showModal();
  $("source").querySelector("pre").scrollTop = 0;
}
