// The last minute: orders a second, what waits, and the faults.
import { resolve } from "./dots.js";

const span = 60000; // ms

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.points = [];
    this.marks = [];
  }

  frame(f) {
    const waits = f.waits >= 0 ? f.waits : f.sum.open;
    this.points.push({ at: f.at, accepted: f.sum.accepted, processed: f.sum.processed, waits });
    for (const m of f.marks ?? []) this.marks.push(m);
    this.points = this.points.filter((p) => p.at > f.at - span);
    this.marks = this.marks.filter((m) => m.at > f.at - span);
    this.draw(f.at);
  }

  // rate is how many orders were accepted in the last second.
  rate() {
    const last = this.points.at(-1);
    const before = this.points.findLast((p) => p.at <= last.at - 1000) ?? this.points[0];
    const seconds = (last.at - before.at) / 1000;
    return seconds > 0 ? Math.round((last.accepted - before.accepted) / seconds) : 0;
  }

  draw(now) {
    const ratio = devicePixelRatio || 1;
    const [w, h] = [this.canvas.clientWidth, this.canvas.clientHeight];
    [this.canvas.width, this.canvas.height] = [w * ratio, h * ratio];
    const g = this.canvas.getContext("2d");
    g.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const x = (at) => w - (now - at) / span * w;
    const top = 46;
    const line = (value, colour, most, fill) => {
      g.beginPath();
      for (const [i, p] of this.points.entries()) {
        const y = h - 4 - value(p, i) / most * (h - top);
        if (i) g.lineTo(x(p.at), y); else g.moveTo(x(p.at), y);
      }
      g.strokeStyle = g.fillStyle = colour;
      g.lineWidth = 3;
      if (fill && this.points.length) {
        g.lineTo(w, h);
        g.lineTo(x(this.points[0].at), h);
        g.globalAlpha = .25;
        g.fill();
        g.globalAlpha = 1;
      } else {
        g.stroke();
      }
    };
    const per = (key) => (p, i) => {
      const before = this.points[Math.max(0, i - 10)];
      return p.at > before.at ? (p[key] - before[key]) / (p.at - before.at) * 1000 : 0;
    };
    const rates = this.points.flatMap((p, i) => [per("accepted")(p, i), per("processed")(p, i)]);
    const most = Math.max(1, ...rates);
    const deepest = Math.max(1, ...this.points.map((p) => p.waits));
    line((p) => p.waits, resolve(style, "order"), deepest, true);
    line(per("accepted"), resolve(style, "order"), most);
    line(per("processed"), resolve(style, "done"), most);
    g.font = getComputedStyle(this.canvas).font;
    g.textBaseline = "top";
    g.fillStyle = resolve(style, "faint");
    g.fillText(`up to ${Math.round(most)} orders a second: accepted (blue), done (green); ` +
      `area: up to ${deepest} waiting`, 4, 0);
    let free = -1e9;
    for (const m of this.marks) {
      const at = x(m.at);
      g.fillStyle = resolve(style, m.fault ? "lost" : "done");
      g.fillRect(at, 22, 2, h - 22);
      const wide = g.measureText(m.act).width;
      const text = Math.min(at + 5, w - wide);
      if (text < free) continue; // no text over another one
      g.fillText(m.act, text, 22);
      free = text + wide + 10;
    }
  }
}
