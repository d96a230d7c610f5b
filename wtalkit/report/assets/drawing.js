const AXIS = 24;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const TICK_ROOM = 76;

/** Where the parts of a row lie, in px from its top. */
function rowParts(hasCurves, hasTruth, labelAbove) {
  const top = labelAbove ? 17 : 4;
  const curve = hasCurves ? 19 : 0;
  const bar = { top: top + curve + (hasCurves ? 3 : 2), height: 11 };
  const truth = { top: bar.top + bar.height + 2, height: hasTruth ? 4 : 0 };
  return { curve: { top, height: curve }, bar, truth, height: truth.top + truth.height + 5 };
}

/** Colours of the theme in force, and one for each class. */
function palette(classes) {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  const colours = Array.from({ length: 8 }, (_, index) => get(`--class-${index}`));
  return {
    ofClass: Array.from({ length: classes }, (_, index) => colours[index % colours.length]),
    line: get("--line"), soft: get("--soft"), text: get("--muted"), truth: get("--truth"), ring: get("--text"),
    attention: get("--muted"), font: `11px ${get("--font")}`,
  };
}

function drawAxis(context, width, height, view, colours, gaps) {
  const span = view.to - view.from;
  const x = (time) => ((time - view.from) / span) * width;
  const step = STEPS.find((each) => (each / span) * width >= TICK_ROOM) ?? STEPS.at(-1) * Math.ceil(span / STEPS.at(-1) / 8);
  context.fillStyle = colours.soft;
  for (const [start, end] of gaps) context.fillRect(x(start), AXIS, Math.max(1, x(end) - x(start)), height - AXIS);
  context.font = colours.font;
  context.textBaseline = "middle";
  for (let index = Math.ceil(view.from / step - 1e-9); index * step <= view.to + 1e-9; index++) {
    const at = Math.round(x(index * step)) + 0.5;
    context.fillStyle = colours.line;
    context.fillRect(at - 0.5, AXIS - 5, 1, height - AXIS + 5);
    const text = clock(index * step, step < 1 ? 1 : 0);
    const wide = context.measureText(text).width;
    context.fillStyle = colours.text;
    context.fillText(text, Math.min(Math.max(at - wide / 2, 0), width - wide), AXIS / 2 - 2);
  }
}

/** One curve as a filled line: in each column of pixels its highest value, so that nothing short is lost. */
function drawCurve(context, width, view, curves, bytes, area, colour) {
  const { t0, dt, n } = curves;
  if (!n || !area.height) return;
  const base = area.top + area.height;
  const indexAt = (x) => (dt ? (view.from + (x / width) * (view.to - view.from) - t0) / dt : 0);
  context.beginPath();
  const points = [];
  const perPixel = indexAt(1) - indexAt(0);
  if (perPixel > 1) {
    for (let x = 0; x <= width; x++) {
      const first = Math.max(0, Math.round(indexAt(x - 0.5)));
      const last = Math.min(n - 1, Math.round(indexAt(x + 0.5)));
      let most = -1;
      for (let index = first; index <= last; index++) if (bytes[index] > most) most = bytes[index];
      if (most >= 0) points.push(x, base - (most / 255) * area.height);
    }
  } else {
    const first = Math.max(0, Math.floor(indexAt(0)) - 1);
    const last = Math.min(n - 1, Math.ceil(indexAt(width)) + 1);
    for (let index = first; index <= last; index++) {
      const x = ((t0 + index * dt - view.from) / (view.to - view.from)) * width;
      points.push(x, base - (bytes[index] / 255) * area.height);
    }
  }
  if (!points.length) return;
  if (n === 1) points.splice(0, 2, 0, points[1], width, points[1]); // one value holds for the whole video
  for (let index = 0; index < points.length; index += 2) context.lineTo(points[index], points[index + 1]);
  context.strokeStyle = colour;
  context.lineWidth = 1.3;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(points.at(-2), base);
  context.lineTo(points[0], base);
  context.globalAlpha = 0.16;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

/** Segments of a row; the stronger the score, the fuller the colour. */
function drawBars(context, items, x, top, area, colour, strength) {
  context.fillStyle = colour;
  for (const item of items) {
    const left = x(item.start);
    context.globalAlpha = 0.35 + 0.65 * strength(item.score);
    context.beginPath();
    context.roundRect(left, top + area.top, Math.max(2, x(item.end) - left), area.height, 3);
    context.fill();
  }
  context.globalAlpha = 1;
}

function drawRing(context, item, x, top, area, colours) {
  const left = x(item.start);
  context.strokeStyle = colours.ring;
  context.lineWidth = 2;
  context.beginPath();
  context.roundRect(left - 1, top + area.top - 1, Math.max(4, x(item.end) - left + 2), area.height + 2, 4);
  context.stroke();
}
