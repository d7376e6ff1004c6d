// The page of a run: it is told ten times a second what has happened, and draws it.
import { Dots } from "./dots.js";
import { Strip } from "./strip.js";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") ?? "";
const figures = [
  ["accepted", "accepted"], ["open", "in flight"], ["processed", "done"],
  ["failed", "given up"], ["duplicated", "done twice"], ["refused", "refused"], ["lost", "lost"],
];
const maxFrames = 36000; // an hour
let about, latest;
let frames = [];
let replay = null; // {at, end, last} while the past is shown
const dots = new Dots($("dots"), $("stage"));
const strip = new Strip($("strip"));

async function ask(path, act) {
  const answer = await fetch(path, { method: "POST", body: act, headers: { "Lab-Token": token } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.trim());
  return JSON.parse(text);
}

async function act(text) {
  try {
    await ask("do", text);
    trouble("");
  } catch (e) {
    trouble(e.message);
  }
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

function button(label, does, key) {
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = label;
  if (key) {
    const k = document.createElement("kbd");
    k.textContent = " " + key;
    b.append(k);
    b.ariaKeyShortcuts = key;
  }
  b.disabled = !about.mayAct;
  b.addEventListener("click", () => act(does));
  return b;
}

async function start() {
  about = await (await fetch("about", { headers: { "Lab-Token": token } })).json();
  document.title = about.name;
  $("name").textContent = about.name;
  $("title").textContent = about.title;
  mode();
  for (const a of about.acts) $("acts").append(button(a.help, a.act, a.key));
  for (const [key, label] of figures) {
    const div = document.createElement("div");
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = label;
    dd.className = key;
    dd.id = "figure-" + key;
    div.append(dt, dd);
    $("figures").append(div);
  }
  if (!about.mayAct) {
    trouble("You can look, and not act: open the page by the address that the lab has printed.");
  }
  $("predict").hidden = !about.mayAct;
  listen();
}

function listen() {
  const source = new EventSource("frames");
  source.onmessage = (e) => {
    if (latest?.over) return;
    const frame = JSON.parse(e.data);
    frames.push(frame);
    if (frames.length > maxFrames) frames = frames.slice(maxFrames / 10);
    latest = frame;
    if (!replay) show(frame);
  };
  source.onerror = () => {
    if (latest?.over) source.close();
    trouble(latest?.over ? "" : "The lab does not answer: has the run ended?");
  };
  source.onopen = () => about.mayAct && trouble("");
}

// show draws one frame.
function show(frame) {
  for (const [key] of figures) {
    const dd = $("figure-" + key);
    const n = frame.sum[key] ?? frame[key] ?? 0;
    dd.textContent = key === "lost" && !frame.over ? "–" : n.toLocaleString("en");
    dd.toggleAttribute("data-zero", n === 0);
  }
  boxes(frame);
  middle(frame);
  $("wrong").textContent = frame.wrong ?? "";
  $("wrong").hidden = !frame.wrong;
  $("sample").textContent = `Of ${frame.oneOf} orders one is drawn. The figures count all.`;
  $("sample").hidden = frame.oneOf <= 1;
  dots.frame(frame, about);
  strip.frame(frame);
  $("rate").textContent = strip.rate();
  for (const m of frame.marks ?? []) note(m);
}

function note(m) {
  const li = document.createElement("li");
  li.textContent = (m.at / 1000).toFixed(1) + " s  " + m.act;
  li.className = m.fault ? "fault" : "";
  $("log").prepend(li);
  while ($("log").children.length > 30) $("log").lastChild.remove();
}

// boxes shows every process with its state, and what can be done to it.
function boxes(frame) {
  for (const p of frame.processes) {
    let box = document.querySelector(`[data-place="${p.name}"]`);
    if (!box) {
      box = newBox(p.name);
      $(about.doors.includes(p.kind) ? "doors" : "workers").append(box);
    }
    const was = box.dataset.state;
    box.dataset.state = p.state;
    box.querySelector(".state").textContent =
      (p.state === "up" ? "" : p.state) + (p.impaired ? " cut or slow" : "");
    if (was !== p.state) offer(box.querySelector(".buttons"), p);
    box.querySelector("p").textContent = p.held > 0 ? `${p.held} in work` : "";
  }
}

function newBox(name) {
  const box = document.createElement("div");
  box.className = "box place";
  box.dataset.place = name;
  box.innerHTML = `<div class="head"><h2></h2><span class="state"></span>
    <span class="buttons"></span></div><p></p>`;
  box.querySelector("h2").textContent = name;
  return box;
}

function offer(into, p) {
  const acts = { up: ["kill", "stop", "pause"], paused: ["resume", "kill"], down: ["start"] };
  const list = [...(acts[p.state] ?? ["kill"])];
  if (about.proxy && p.state === "up") list.push("cut", "heal");
  into.replaceChildren(...list.map((a) => {
    const b = button(a, `${a} ${p.name}`);
    b.ariaLabel = `${a} ${p.name}`;
    return b;
  }));
}

// middle shows the servers between producer and consumer, and how much waits there.
function middle(frame) {
  for (const s of frame.services ?? []) {
    let box = document.querySelector(`[data-place="${s.name}"]`);
    if (!box) {
      box = newBox(s.name);
      box.insertAdjacentHTML("beforeend", `<div class="fill"></div>`);
      $("middle").append(box);
    }
    const state = s.up ? "up" : "down";
    if (box.dataset.state !== state) {
      box.dataset.state = state;
      const acts = !s.owned ? [] : s.up ? ["restart", "kill"] : ["start"];
      box.querySelector(".buttons").replaceChildren(...acts.map((a) => button(a, `${a} ${s.name}`)));
      choices(frame);
    }
  }
  const first = $("middle").querySelector(".box");
  if (!first) return;
  const waits = frame.waits >= 0 ? frame.waits : frame.sum.open;
  first.querySelector("p").textContent = `${waits.toLocaleString("en")} waiting`;
  first.querySelector(".fill").style.width = Math.min(100, waits / 5) + "%";
}

// choices are the faults that can be foretold.
function choices(frame) {
  const faults = [];
  for (const p of frame.processes) faults.push(`kill ${p.name}`, `stop ${p.name}`, `pause ${p.name}`);
  for (const s of frame.services ?? []) if (s.owned) faults.push(`restart ${s.name}`, `kill ${s.name}`);
  $("fault").replaceChildren(...faults.map((f) => new Option(f)));
}

$("predict").addEventListener("submit", async (e) => {
  e.preventDefault();
  const fault = $("fault").value;
  const said = { lost: $("lost").valueAsNumber, duplicated: $("twice").valueAsNumber };
  const send = e.target.querySelector("button");
  send.disabled = true;
  $("verdict").textContent = "a hundred orders come, something breaks, then it is mended …";
  try {
    const was = await ask("try", fault);
    const right = was.lost === said.lost && was.duplicated === said.duplicated;
    $("verdict").textContent = (right ? "You were right: " : "It was otherwise: ") +
      `${was.lost} lost, ${was.duplicated} done twice, ${was.refused} refused.`;
  } catch (err) {
    $("verdict").textContent = err.message;
  }
  send.disabled = false;
});

document.addEventListener("keydown", (e) => {
  if (e.target.matches("input, select") || e.ctrlKey || e.metaKey || e.altKey) return;
  const a = about?.acts.find((x) => x.key === e.key);
  if (a && about.mayAct) act(a.act);
});

// A screen reader hears the ledger now and then, and not ten times a second.
let spoken = "";
setInterval(() => {
  if (!latest) return;
  const text = figures.filter(([key]) => key !== "lost" || latest.over)
    .map(([key, label]) => `${label} ${latest.sum[key] ?? latest[key] ?? 0}`).join(", ");
  if (text !== spoken) $("spoken").textContent = spoken = text;
}, 5000);

// The past, at a tenth of the speed.
const slowness = 10;
function begin(seconds) {
  if (!frames.length) return;
  const end = frames.at(-1).at;
  replay = { at: Math.max(frames[0].at, end - seconds * 1000), end, next: 0 };
  replay.next = frames.findIndex((f) => f.at >= replay.at);
  dots.clear();
  strip.clear();
  $("log").replaceChildren();
  mode();
  let last = performance.now();
  const step = (now) => {
    if (!replay) return;
    replay.at += (now - last) / slowness;
    last = now;
    while (replay.next < frames.length && frames[replay.next].at <= replay.at) {
      show(frames[replay.next++]);
    }
    if (replay.at < replay.end) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function mode() {
  $("mode").textContent = replay ? `the past, ${slowness} times slower` :
    about.variant === "right" ? "" : "variant " + about.variant;
  $("mode").hidden = !$("mode").textContent;
  $("live").hidden = !replay;
}
$("last").addEventListener("click", () => begin(30));
$("whole").addEventListener("click", () => begin(1e6));
$("live").addEventListener("click", () => {
  replay = null;
  dots.clear();
  strip.clear();
  mode();
});

start().catch((e) => trouble(e.message));
