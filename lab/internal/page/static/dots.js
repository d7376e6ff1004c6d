// Every order that is drawn is a dot, at the place where it is now.
const still = matchMedia("(prefers-reduced-motion: reduce)");
const most = 1500; // dots

export class Dots {
  constructor(canvas, stage) {
    this.canvas = canvas;
    this.stage = stage;
    this.dots = new Map();
    this.twice = 0;
    requestAnimationFrame(() => this.draw());
  }

  clear() {
    this.dots.clear();
  }

  // frame moves the orders of which something is told.
  frame(frame, about) {
    for (const s of frame.steps ?? []) this.step(s, about);
    if (frame.over) for (const d of this.dots.values()) d.lost ||= !d.ends && frame.lost > 0;
    for (const id of this.dots.keys()) {
      if (this.dots.size <= most) break;
      this.dots.delete(id);
    }
  }

  step(s, about) {
    let d = this.dots.get(s.o);
    if (!d) {
      d = { path: ["customers"], kind: "order" };
      this.dots.set(s.o, d);
    }
    const middle = this.stage.querySelector("#middle .box")?.dataset.place;
    switch (s.v) {
      case "accepted": case "open": case "reused":
        if (d.path.length > 1) break; // a consumer was quicker than the answer
        // The customer's own word comes first, and does not say which door it was.
        d.path.push(s.p === "customer" ? this.stage.querySelector("#doors .box")?.dataset.place : s.p);
        if (about.workers.length && middle) d.path.push(middle);
        break;
      case "received":
        d.path.push(s.p);
        d.kind = "order";
        break;
      case "processed": case "ghost":
        d.path.push(s.p, "done");
        d.kind = "done";
        d.ends = true;
        break;
      case "duplicated":
        this.dots.set(s.o + "+" + this.twice++, {
          path: [s.p, "twice"], kind: "twice", ends: true, stays: true,
        });
        break;
      case "failed": case "contradiction":
        d.path.push(s.p, "failed");
        d.kind = "failed";
        d.ends = d.stays = true;
    }
  }

  // draw moves every dot a little towards its next place, and draws all.
  draw() {
    requestAnimationFrame(() => this.draw());
    const box = this.stage.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      [this.canvas.width, this.canvas.height] = [w, h];
    }
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, box.width, box.height);
    const style = getComputedStyle(document.documentElement);
    const colour = {};
    for (const k of ["order", "done", "twice", "lost"]) colour[k] = resolve(style, k);
    colour.failed = colour.lost;
    const places = this.places(box);
    const size = Math.max(4, box.width / 260);
    let lost = 0;
    for (const [id, d] of this.dots) {
      const at = this.move(d, places, size);
      if (!at) continue;
      if (d.gone) {
        this.dots.delete(id);
        continue;
      }
      lost += d.lost ? 1 : 0;
      g.beginPath();
      g.fillStyle = d.lost ? colour.lost : colour[d.kind];
      g.arc(at.x, at.y, size, 0, 7);
      g.fill();
      if (d.lost || d.kind === "twice") { // not by its colour alone
        g.lineWidth = 2;
        g.strokeStyle = colour.lost;
        g.strokeRect(at.x - size - 2, at.y - size - 2, 2 * size + 4, 2 * size + 4);
      }
    }
    this.canvas.dataset.lost = lost;
    this.canvas.dataset.drawn = this.dots.size;
  }

  // places are the boxes with how many dots lie in each.
  places(box) {
    const places = new Map();
    for (const el of this.stage.querySelectorAll(".place")) {
      const r = el.getBoundingClientRect();
      places.set(el.dataset.place, {
        x: r.left - box.left, y: r.top - box.top, w: r.width, h: r.height, n: 0,
      });
    }
    return places;
  }

  // move returns where a dot is now.
  move(d, places, size) {
    while (d.path.length > 1 && !places.has(d.path[1])) d.path.splice(1, 1);
    const to = places.get(d.path[1] ?? d.path[0]);
    if (!to) return null;
    const step = 2.6 * size;
    const columns = Math.max(1, Math.floor((to.w - 2 * step) / step));
    const rest = d.path.length <= 2 ? to.n++ : columns * 2; // a place of its own where it stays
    const target = {
      x: to.x + step + (rest % columns) * step,
      y: to.y + to.h - step - (Math.floor(rest / columns) % Math.max(1, Math.floor((to.h - 2 * step) / step))) * step,
    };
    if (!d.at) {
      const from = places.get(d.path[0]) ?? to;
      d.at = { x: from.x + from.w / 2, y: from.y + from.h / 2 };
    }
    const [dx, dy] = [target.x - d.at.x, target.y - d.at.y];
    const far = Math.hypot(dx, dy);
    const speed = still.matches ? far : Math.max(6, far / 7) * Math.max(1, d.path.length - 1);
    if (far <= speed) {
      d.at = target;
      if (d.path.length > 1) d.path.shift();
      if (d.path.length === 1 && d.ends && !d.stays) {
        d.wait = (d.wait ?? 60) - 1;
        d.gone = d.wait < 0;
      }
    } else {
      d.at = { x: d.at.x + dx / far * speed, y: d.at.y + dy / far * speed };
    }
    return d.at;
  }
}

// resolve is a colour of the style sheet as a canvas understands it: light or dark.
const probe = document.createElement("span");
probe.hidden = true;
export function resolve(style, name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
