// SPDX-License-Identifier: Apache-2.0
//
// timeline.js - what each part of the hardware did in each cycle, drawn on a canvas: zoom, pan, point
"use strict";

const timeline = (() => {
  // Tracks from top to bottom. Each has its events in order, and a height in lines.
  const tracks = [
    { key: "step", name: "token", lines: 1 }, { key: "job", name: "engine", lines: 3.4 }, { key: "idle", name: "idle", lines: 1 },
    ...["layernorm", "attention_core", "qkv_linear", "mlp_ffn", "residual_add", "kv_cache", "block_quant", "final_linear", "sampling"].map((unit) => ({ key: "unit", unit, name: unit, lines: 0.8 })),
    { key: "read", name: "memory reads", lines: 0.8 }, { key: "write", name: "writes", lines: 0.8 }, { key: "queue", name: "queue", lines: 1.5 },
  ];
  const KINDS = ["job", "idle", "unit", "read", "write", "queue", "step"];
  const LIMIT = 400000; // events kept per track; the oldest are dropped
  let heads = 1, end = 0, view = { from: 0, to: 60000 }, follow = true, pointed = null, cursor = null, dirty = false, label = (id) => String(id);
  const canvas = $("timeline");

  function clear() {
    for (const track of tracks) { track.events = []; track.open = null; }
    end = 0;
    view = { from: 0, to: 60000 };
    follow = true;
    pointed = null;
    draw();
  }
  for (const track of tracks) { track.events = []; track.open = null; } // open: an event that has not ended

  // An event of a report, from machine.c: track, start (two words), cycles, phase | layer << 8 | head << 16, which, count; for a
  // job also at[10].
  function add(w, i, open) {
    const kind = KINDS[w[i]], start = w[i + 1] + w[i + 2] * 4294967296, length = w[i + 3];
    const event = { kind, start, end: start + length, phase: w[i + 4] & 255, layer: w[i + 4] >> 8 & 255, head: w[i + 4] >> 16 & 255, which: w[i + 5], count: w[i + 6] };
    if (kind === "job") event.at = Array.from(w.subarray(i + 7, i + 17));
    const track = kind === "unit" ? tracks.find((t) => t.unit === UNITS[event.which]) : tracks.find((t) => t.key === kind);
    if (!track) return;
    if (open) track.open = event; else track.events.push(event);
    if (track.events.length > LIMIT) track.events.splice(0, LIMIT / 4);
    if (event.end > end) end = event.end;
    later();
  }
  function closeAll() { for (const track of tracks) track.open = null; }
  const count = (track) => track.events.length + (track.open ? 1 : 0), nth = (track, i) => i < track.events.length ? track.events[i] : track.open;
  function later() {
    if (dirty) return;
    dirty = true;
    requestAnimationFrame(() => { dirty = false; draw(); });
  }

  const shade = (track, event) => palette[track.key === "job" ? PHASES[event.phase].color : track.key === "idle" ? WHATS[event.which].color : track.key === "step" ? "track" :
    track.key === "read" ? "read" : track.key === "write" ? "write" : "unit"];
  const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
  const margin = () => (canvas.clientWidth < 35 * rem() ? 4.1 : 7) * rem();

  // First event that ends after a cycle. The events of a track are in order; the open one is the last.
  function firstAfter(track, cycle) {
    let low = 0, high = count(track);
    while (low < high) { const mid = low + high >> 1; if (nth(track, mid).end <= cycle) low = mid + 1; else high = mid; }
    return low;
  }

  function place(track, event, y, height) {
    if (track.key !== "job" || !perHead(event.phase)) return [y, height];
    const lane = height / heads;
    return [y + lane * event.head, Math.max(lane - (lane > 5 ? 1 : 0), 1)];
  }

  function draw() {
    const { g, width, height } = fit(canvas);
    const left = margin(), top = 1.45 * rem(), lines = tracks.reduce((sum, t) => sum + t.lines + 0.28, 0), line = (height - top - 6) / lines;
    const scale = (width - left) / (view.to - view.from), x = (cycle) => left + (cycle - view.from) * scale;
    const font = Math.max(0.64 * rem(), Math.min(0.84 * rem(), line * 0.62));
    g.font = `${font}px ${getComputedStyle(document.body).fontFamily}`;
    g.textBaseline = "middle";
    // cycles
    const step = Math.pow(10, Math.floor(Math.log10((view.to - view.from) / 3)));
    const tick = (view.to - view.from) / step > 12 ? step * 5 : (view.to - view.from) / step > 6 ? step * 2 : step;
    g.fillStyle = palette.soft;
    g.strokeStyle = palette.line;
    g.textAlign = "center";
    for (let cycle = Math.ceil(view.from / tick) * tick; cycle < view.to; cycle += tick) {
      const at = Math.round(x(cycle)) + 0.5;
      g.beginPath(); g.moveTo(at, top - 4); g.lineTo(at, height); g.stroke();
      if (at > left + 20 && at < width - 24) g.fillText(whole.format(cycle), at, top * 0.45);
    }
    g.textAlign = "right";
    g.fillText("cycle", left - 8, top * 0.45);
    let y = top;
    for (const track of tracks) {
      const h = track.lines * line;
      track.y = y; track.h = h;
      g.fillStyle = palette.soft;
      g.textAlign = "right";
      g.fillText(width < 35 * rem() ? track.name.replace("memory ", "").replace("attention_core", "softmax").slice(0, 9) : track.name.replace("attention_core", "softmax"), left - 8, y + h / 2);
      g.fillStyle = palette.track;
      g.fillRect(left, y, width - left, h);
      g.save();
      g.beginPath(); g.rect(left, y, width - left, h); g.clip();
      if (track.key === "queue") drawQueue(g, track, x, y, h, width);
      else drawBars(g, track, x, y, h, scale, left);
      g.restore();
      y += h + 0.28 * line;
    }
    if (cursor !== null && cursor >= view.from && cursor <= view.to) {
      g.fillStyle = palette.accent;
      g.fillRect(x(cursor) - 0.75, top - 4, 1.5, height);
    }
    if (!end) {
      g.fillStyle = palette.soft;
      g.textAlign = "center";
      g.fillText("Run or step, and the cycles appear here.", left + (width - left) / 2, top + line * 2.7);
    }
  }

  function drawBars(g, track, x, y, h, scale, left) {
    const n = count(track);
    let drawn = -1, drawnLane = -1; // bars narrower than a pixel are merged
    for (let i = firstAfter(track, view.from); i < n && nth(track, i).start < view.to; i++) {
      const event = nth(track, i), from = x(event.start), to = Math.max(x(event.end), from + 0.8);
      const lane = track.key === "job" && perHead(event.phase) ? event.head : -1;
      if (to < drawn + 0.5 && lane === drawnLane) continue;
      drawn = to; drawnLane = lane;
      const [ly, lh] = place(track, event, y, h), gap = to - from > 5 ? 0.8 : 0;
      g.fillStyle = event === pointed ? palette.ink : shade(track, event);
      g.fillRect(from, ly, to - from - gap, lh);
      if (track.key === "step") {
        g.strokeStyle = palette.soft;
        g.strokeRect(from + 0.5, ly + 0.5, to - from - 1, lh - 1);
      }
      const room = to - Math.max(from, left);
      if (room > 26 && lh > 9 && (track.key === "job" || track.key === "step")) {
        const name = track.key === "step" ? `${event.which} ${label(event.count)}` : PHASES[event.phase].short + (perHead(event.phase) ? ` h${event.head}` : "");
        const texts = [...(track.key === "job" && event.phase > 1 && event.phase < 9 ? [`${name}  layer ${event.layer}`] : []), name, ...(track.key === "step" ? [String(event.which)] : [])];
        g.fillStyle = track.key === "step" ? palette.ink : event === pointed ? palette.panel : "#fff";
        g.textAlign = "left";
        const text = texts.find((t) => g.measureText(t).width < room - 6);
        if (text) g.fillText(text, Math.max(from, left) + 4, ly + lh / 2 + 0.5);
      }
    }
  }

  function drawQueue(g, track, x, y, h, width) {
    const events = track.events;
    let i = Math.max(0, firstAfter(track, view.from) - 1);
    if (!events.length) return;
    g.fillStyle = palette.read;
    g.globalAlpha = 0.65;
    g.beginPath();
    g.moveTo(x(events[i].start), y + h);
    let last = 0, column = -1;
    for (; i < events.length && events[i].start <= view.to; i++) {
      const at = x(events[i].start);
      if (at - column < 0.5 && i + 1 < events.length) { last = events[i].count; continue; }
      column = at;
      g.lineTo(at, y + h - h * last / 256);
      last = events[i].count;
      g.lineTo(at, y + h - h * last / 256);
    }
    const stop = Math.min(width, x(end));
    g.lineTo(stop, y + h - h * last / 256);
    g.lineTo(stop, y + h);
    g.fill();
    g.globalAlpha = 1;
  }

  // -------------------------------------------------------------------------------------------- view

  function show(from, to, stay) {
    const span = Math.min(Math.max(to - from, 24), Math.max(end * 1.2, 60000));
    from = Math.max(0, Math.min(from, Math.max(0, end - span * 0.5)));
    view = { from, to: from + span };
    if (!stay) follow = false;
    later();
  }
  function zoom(factor, at) {
    const span = (view.to - view.from) * factor, share = (at - view.from) / (view.to - view.from);
    show(at - span * share, at - span * share + span);
  }
  function lastToken() {
    const steps = tracks[0].events, last = steps[steps.length - 1];
    const from = last ? last.start : 0, to = Math.max(last ? last.end : 0, 1000);
    // An unfinished step counts too.
    if (end > to + 2000) show(to - (end - to) * 0.02, end + (end - to) * 0.02, true); else show(from - (to - from) * 0.015, to + (to - from) * 0.015, true);
    follow = true;
  }
  function moved() { if (follow) lastToken(); }

  const cycleAt = (clientX) => {
    const box = canvas.getBoundingClientRect();
    return view.from + (clientX - box.left - margin()) / (box.width - margin()) * (view.to - view.from);
  };
  function eventAt(clientX, clientY) {
    const box = canvas.getBoundingClientRect(), y = clientY - box.top, cycle = cycleAt(clientX), slack = 2 * (view.to - view.from) / box.width;
    for (const track of tracks) {
      if (y < track.y || y > track.y + track.h || track.key === "queue" || cycle < view.from) continue;
      let best = null;
      for (let i = firstAfter(track, cycle - slack); i < count(track) && nth(track, i).start <= cycle + slack; i++) {
        const event = nth(track, i), [ly, lh] = place(track, event, track.y, track.h);
        if (y >= ly - 1 && y <= ly + lh + 1 && (!best || event.end - event.start < best.event.end - best.event.start)) best = { track, event };
      }
      return best;
    }
    return null;
  }

  function describe(found) {
    const box = $("pointed"), { track, event } = found, cycles = event.end - event.start;
    let text = "", unit = track.unit || "";
    if (track.key === "job") {
      const phase = PHASES[event.phase];
      unit = phase.unit;
      text = phase.text + (perHead(event.phase) ? `, head ${event.head}` : "") + (event.phase > 1 && event.phase < 9 ? `, layer ${event.layer}` : "") + `: ${whole.format(cycles)} cycles from ${whole.format(event.start)}, ${whole.format(event.count)} beats`;
      const idle = event.at.slice(5).map((n, i) => n ? `${whole.format(n)} ${WHATS[i + 5].text}` : "").filter(Boolean);
      if (idle.length) text += `; idle: ${idle.join(", ")}`;
    } else if (track.key === "idle") {
      text = `idle, ${WHATS[event.which].text}: ${whole.format(cycles)} cycle${cycles > 1 ? "s" : ""} from ${whole.format(event.start)}, at ${PHASES[event.phase].text}`;
      unit = ["weight_stream", "layernorm", "softmax", "sampling", "matvec"][event.which - 5];
    } else if (track.key === "step") {
      text = `position ${event.which}, the token “${label(event.count)}”: ${whole.format(cycles)} cycles`;
      unit = "controller";
    } else {
      text = `${track.name}: ${whole.format(cycles)} cycles from ${whole.format(event.start)}` + (track.key === "unit" ? `, working in ${whole.format(event.count)} of them` : `, ${whole.format(event.count)} beats`);
      if (track.key === "read") unit = "weight_stream";
      if (track.key === "write") unit = "kv_cache";
    }
    box.replaceChildren(text + ". ");
    if (unit && withSources) box.append(make("button", { type: "button", textContent: `${unit}.sv`, onclick: () => showSource(unit) }));
  }
  function point(found) {
    if ((found ? found.event : null) === pointed) return;
    pointed = found ? found.event : null;
    if (found) describe(found);
    later();
  }

  const touches = new Map();
  let drag = null, pinch = 0;
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) { const by = (e.deltaX || e.deltaY) / canvas.clientWidth * (view.to - view.from); show(view.from + by, view.to + by); }
    else zoom(Math.exp(e.deltaY * 0.0015), cycleAt(e.clientX));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    touches.set(e.pointerId, e.clientX);
    drag = { x: e.clientX, from: view.from, to: view.to };
    pinch = touches.size === 2 ? Math.abs([...touches.values()][0] - [...touches.values()][1]) : 0;
    canvas.classList.add("drag");
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!touches.has(e.pointerId)) return point(eventAt(e.clientX, e.clientY));
    touches.set(e.pointerId, e.clientX);
    if (touches.size === 2 && pinch) {
      const [a, b] = [...touches.values()], now = Math.max(12, Math.abs(a - b));
      zoom(pinch / now, cycleAt((a + b) / 2));
      pinch = now;
    } else if (drag && Math.abs(e.clientX - drag.x) > 3) {
      const by = (drag.x - e.clientX) / (canvas.clientWidth - margin()) * (drag.to - drag.from);
      show(drag.from + by, drag.to + by);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => {
    if (drag && Math.abs(e.clientX - drag.x) <= 3) point(eventAt(e.clientX, e.clientY));
    touches.delete(e.pointerId);
    drag = null;
    canvas.classList.remove("drag");
  });
  function key(name) {
    const span = view.to - view.from, mid = view.from + span / 2;
    if (name === "ArrowLeft") show(view.from - span / 5, view.to - span / 5);
    else if (name === "ArrowRight") show(view.from + span / 5, view.to + span / 5);
    else if (name === "+" || name === "=") zoom(0.5, mid);
    else if (name === "-") zoom(2, mid);
    else if (name === "Home") show(0, span);
    else if (name === "End") lastToken();
    else if (name === "Enter") {
      const event = nth(tracks[1], Math.min(firstAfter(tracks[1], mid), count(tracks[1]) - 1));
      pointed = null;
      if (event) point({ track: tracks[1], event });
    } else return false;
    return true;
  }
  canvas.addEventListener("keydown", (e) => { if (!e.ctrlKey && !e.metaKey && key(e.key)) e.preventDefault(); });
  for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => {
    const what = button.dataset.view;
    if (what === "token") lastToken();
    else if (what === "all") show(0, Math.max(end * 1.01, 1000));
    else key({ in: "+", out: "-", left: "ArrowLeft", right: "ArrowRight" }[what]);
  });
  new ResizeObserver(later).observe(canvas);

  const legend = (color, text) => make("span", {}, make("i", { style: `background:var(--${color})` }), text);
  $("legend").append(...PHASES.slice(2, 10).map((p) => legend(p.color, p.text)), ...WHATS.slice(5).map((w) => legend(w.color, "idle: " + w.text)));

  return { clear, add, closeAll, moved, later, setShape: (shape, text) => { heads = shape.n_head; label = text; }, setCursor: (cycle) => { cursor = cycle; later(); }, events: () => tracks, span: () => view };
})();
