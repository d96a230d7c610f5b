const MOST_ROWS = 60;
const MOST_ROWS_STACKED = 15;
const NARROW = 640;
/** Where the style sheet puts the table below the timeline: too many rows would push the threshold out of reach. */
const STACKED = matchMedia("(max-width: 860px)");
const LEAST_SPAN_S = 0.5;

/** Rows of segments over time: a canvas for what there may be thousands of, elements for names and cursor. */
class Timeline {
  constructor(actions) {
    this.actions = actions;
    this.root = byId("timeline");
    this.plot = byId("plot");
    this.canvas = byId("canvas");
    this.cursor = byId("cursor");
    this.tip = byId("tip");
    this.rows = [];
    this.view = { from: 0, to: 1 };
    this.time = 0;
    new ResizeObserver(() => this.redraw()).observe(this.plot);
    STACKED.addEventListener("change", () => this.video && this.show(this.items, this.selected));
    this.listen();
  }

  setVideo(video) {
    this.video = video;
    this.painted = new Map();
    this.view = { from: 0, to: video.duration };
    this.ranked = ranking(video);
    this.order = rowOrder(video, this.ranked);
    const [low, high] = video.scores;
    this.strength = (score) => (high > low ? (score - low) / (high - low) : 1);
    this.plot.setAttribute("aria-valuemax", video.duration.toFixed(1));
    this.setTime(0);
  }

  /** What is to be seen: the segments, and which of them is selected. */
  show(items, selected) {
    const byClass = groupByClass(items);
    const truth = groupByClass(this.video.truths);
    this.items = items;
    this.selected = selected;
    const all = this.ranked.filter((c) => byClass.has(c) || truth.has(c));
    const kept = new Set(all.slice(0, STACKED.matches ? MOST_ROWS_STACKED : MOST_ROWS));
    this.rows = this.order.filter((c) => kept.has(c)).map((c) => ({
      c, label: this.video.labels[c], truth: truth.get(c) ?? [],
      items: [...(byClass.get(c) ?? [])].sort((a, b) => a.score - b.score),
    }));
    const left = all.length - kept.size;
    byId("more").hidden = !left;
    byId("more").textContent = `${left} more ${left === 1 ? "class is" : "classes are"} found, with lower scores; a higher threshold leaves fewer.`;
    if (this.video.curve("attention")) this.rows.unshift({ c: "attention", label: "attention", truth: [], items: [] });
    this.redraw();
  }

  redraw() {
    if (!this.video || this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  draw() {
    const narrow = this.root.clientWidth < NARROW;
    const curves = this.video.raw.curves;
    const parts = rowParts(Boolean(curves), this.video.truths.length > 0, narrow);
    const colours = palette(this.video.labels.length);
    let y = AXIS;
    for (const row of this.rows) {
      row.parts = row.c === "attention" ? { ...parts, height: parts.bar.top + 2 } : parts;
      row.top = y;
      y += row.parts.height;
    }
    const [width, height] = [this.plot.clientWidth, Math.max(y, AXIS + 20)];
    this.layLabels(narrow, colours, height);
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.height = this.plot.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    drawAxis(context, width, height, this.view, colours, this.video.raw.gaps);
    for (const row of this.rows) this.drawRow(context, row, width, curves, colours);
    this.moveCursor();
  }

  drawRow(context, row, width, curves, colours) {
    const { parts, top } = row;
    const x = (time) => this.x(time, width);
    const inView = ({ start, end }) => end >= this.view.from && start <= this.view.to;
    context.fillStyle = colours.line;
    context.fillRect(0, top, width, 1);
    const bytes = this.video.curve(row.c);
    const colour = row.c === "attention" ? colours.attention : colours.ofClass[row.c];
    if (bytes) this.drawCurve(context, row, width, curves, bytes, colour);
    drawBars(context, row.items.filter(inView), x, top, parts.bar, colour, this.strength);
    drawBars(context, row.truth.filter(inView), x, top, parts.truth, colours.truth, () => 1);
    if (this.selected && this.selected.c === row.c) drawRing(context, this.selected, x, top, parts.bar, colours);
  }

  /** A threshold that moves leaves the curves as they are, so each is painted once for a view. */
  drawCurve(context, row, width, curves, bytes, colour) {
    const { top, height } = row.parts.curve;
    const scale = context.getTransform().a;
    const key = [this.view.from, this.view.to, width, height, colour, scale].join();
    let kept = this.painted.get(row.c);
    if (kept?.key !== key) {
      const image = element("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.round((height + 2) * scale) });
      const own = image.getContext("2d");
      own.scale(scale, scale);
      drawCurve(own, width, this.view, curves, bytes, { top: 1, height }, colour);
      kept = { key, image };
      this.painted.set(row.c, kept);
    }
    context.drawImage(kept.image, 0, row.top + top - 1, kept.image.width / scale, kept.image.height / scale);
  }

  layLabels(narrow, colours, height) {
    const labels = byId("labels");
    labels.style.height = `${height}px`;
    labels.replaceChildren(...this.rows.map((row) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = row.c === "attention" ? colours.attention : colours.ofClass[row.c];
      const made = element("div", { className: "label", title: row.label }, swatch, element("span", { textContent: row.label }));
      made.style.top = `${row.top}px`;
      if (!narrow) made.style.height = `${row.parts.height}px`;
      return made;
    }));
  }

  x(time, width = this.plot.clientWidth) {
    return ((time - this.view.from) / (this.view.to - this.view.from)) * width;
  }

  timeAt(clientX) {
    const box = this.plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return this.view.from + share * (this.view.to - this.view.from);
  }

  /** The segment under the pointer, the best of those that overlap. */
  at(event) {
    const box = this.plot.getBoundingClientRect();
    const y = event.clientY - box.top;
    const row = this.rows.find((each) => y >= each.top && y < each.top + each.parts.height);
    if (!row) return {};
    const slack = ((event.pointerType === "touch" ? 12 : 3) / box.width) * (this.view.to - this.view.from);
    const time = this.timeAt(event.clientX);
    const distance = (item) => Math.max(item.start - time, time - item.end, 0);
    let item = null;
    for (const each of row.items) if (distance(each) <= slack && (!item || distance(each) <= distance(item))) item = each;
    return { row, item, time };
  }

  listen() {
    let pressed = null;
    this.plot.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const { item } = this.at(event);
      pressed = event.clientX;
      this.plot.setPointerCapture(event.pointerId);
      if (item) this.actions.select(item);
      else this.actions.seek(this.timeAt(event.clientX));
    });
    this.plot.addEventListener("pointermove", (event) => {
      if (pressed !== null && Math.abs(event.clientX - pressed) > 4) this.actions.seek(this.timeAt(event.clientX));
      else if (event.pointerType !== "touch") this.showTip(event);
    });
    for (const name of ["pointerup", "pointercancel"]) this.plot.addEventListener(name, () => (pressed = null));
    this.plot.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.plot.addEventListener("wheel", (event) => {
      const span = this.view.to - this.view.from;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.zoom(Math.exp(event.deltaY / 300), this.timeAt(event.clientX));
      } else if (span < this.video.duration && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
        event.preventDefault();
        this.look(this.view.from + ((event.deltaX || event.deltaY) / this.plot.clientWidth) * span, span);
      }
    }, { passive: false });
  }

  showTip(event) {
    const { row, item, time } = this.at(event);
    this.plot.classList.toggle("over", Boolean(item));
    if (!row) return (this.tip.hidden = true);
    const picture = item && this.video.picture(item);
    const lines = item
      ? [`${clock(item.start, 2)} – ${clock(item.end, 2)}`, `score ${item.score.toFixed(3)}`]
      : [clock(time, 2), ...this.valueAt(row, time)];
    this.tip.replaceChildren(
      ...(picture ? [element("img", { src: picture, alt: "" })] : []),
      element("strong", { textContent: row.label }),
      ...lines.map((line) => element("span", { textContent: line })),
    );
    this.tip.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = this.tip;
    this.tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - wide - 8))}px`;
    this.tip.style.top = `${event.clientY + 18 + high > innerHeight ? event.clientY - high - 10 : event.clientY + 18}px`;
  }

  valueAt(row, time) {
    const [curves, bytes] = [this.video.raw.curves, this.video.curve(row.c)];
    if (!bytes) return [];
    const index = curves.dt ? Math.round((time - curves.t0) / curves.dt) : 0;
    if (index < 0 || index >= curves.n) return [];
    const [low, high] = row.c === "attention" ? [0, 1] : [curves.lo, curves.hi];
    const name = row.c === "attention" ? "attention" : "activation";
    return [`${name} ${(low + (bytes[index] / 255) * (high - low)).toFixed(2)}`];
  }

  zoom(factor, around = this.time) {
    const span = Math.min(this.video.duration, Math.max(LEAST_SPAN_S, (this.view.to - this.view.from) * factor));
    const share = (around - this.view.from) / (this.view.to - this.view.from);
    this.look(around - Math.min(1, Math.max(0, share)) * span, span);
  }

  /** Show the stretch of so many seconds from there on, as far as the video goes. */
  look(from, span) {
    const start = Math.max(0, Math.min(from, this.video.duration - span));
    this.view = { from: start, to: start + span };
    this.redraw();
  }

  setTime(time, { follow = false } = {}) {
    this.time = time;
    const span = this.view.to - this.view.from;
    if (follow && (time < this.view.from || time > this.view.to)) this.look(time - span * 0.1, span);
    this.plot.setAttribute("aria-valuenow", time.toFixed(1));
    this.plot.setAttribute("aria-valuetext", clock(time));
    this.moveCursor();
  }

  moveCursor() {
    const x = this.x(this.time);
    this.cursor.hidden = x < -1 || x > this.plot.clientWidth + 1;
    this.cursor.style.transform = `translateX(${x.toFixed(1)}px)`;
  }
}

/** Classes from the worthiest on: what is annotated, then by best score. */
function ranking(video) {
  const annotated = new Set(video.truths.map((truth) => truth.c));
  const best = new Map([...annotated].map((c) => [c, -Infinity]));
  for (const item of video.items) best.set(item.c, Math.max(item.score, best.get(item.c) ?? -Infinity));
  return [...best.keys()].sort((a, b) => annotated.has(b) - annotated.has(a) || best.get(b) - best.get(a) || a - b);
}

/** Classes in the order of their rows: what is annotated or found at first, by name; then the rest, best first. */
function rowOrder(video, ranked) {
  const first = new Set(video.truths.map((truth) => truth.c));
  for (const item of video.items) if (item.score >= video.startsAt) first.add(item.c);
  const named = (c) => video.labels[c];
  const early = [...first].sort((a, b) => (named(a) < named(b) ? -1 : 1));
  return [...early, ...ranked.filter((c) => !first.has(c))];
}
