const report = JSON.parse(byId("data").textContent);
const videos = report.videos.map((raw) => new Video(raw, report.labels));
const state = { video: null, threshold: -Infinity, shown: [], selected: null };
const actions = { select, seek: (time) => player.seek(time), copy: copyRange, time: timePassed };
const timeline = new Timeline(actions);
const table = new Table(actions);
const player = new Player(actions);

const KEYS = [
  ["Space", "play, pause"], ["← →", "1 second back, on; with Shift 5"], ["j k, n p", "next, previous segment"],
  ["Enter", "play from the start of the segment"], ["c", "copy its time range"], ["+ − 0", "zoom in, out, whole video"],
  ["[ ]", "previous, next video"], ["t", "dark mode"], ["?", "this help"],
];

function say(text) {
  byId("said").textContent = text;
  byId("said").classList.remove("unseen");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => byId("said").classList.add("unseen"), 2500);
}

function openVideo(video) {
  state.video = video;
  state.selected = null;
  const [low, high] = video.scores;
  const slider = byId("threshold");
  [slider.min, slider.max] = [low, Math.max(high, low + 1e-6, video.startsAt)];
  timeline.setVideo(video);
  table.setVideo(video);
  player.setVideo(video);
  setThreshold(video.startsAt);
  byId("video-select").value = videos.indexOf(video);
  for (const [index, button] of [...byId("videos").children].entries()) {
    if (videos[index] === video) {
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest" });
    } else button.removeAttribute("aria-current");
  }
  byId("title").textContent = video.key;
  showNotes();
  showLegend();
}

function setThreshold(value) {
  const [low] = state.video.scores;
  state.threshold = value;
  // At its left end the slider means everything, whatever its own rounding makes of the number.
  const least = value <= low ? -Infinity : value;
  byId("threshold").value = value;
  byId("threshold-value").textContent = value.toFixed(2);
  byId("threshold-reset").disabled = value === state.video.startsAt;
  state.shown = state.video.shown(least);
  if (!state.shown.includes(state.selected)) state.selected = null;
  update();
  showCount();
}

function update() {
  timeline.show(state.shown, state.selected);
  table.show(state.shown, state.selected);
}

function showCount() {
  const { items, truths } = state.video;
  const text = [`${state.shown.length.toLocaleString("en")} of ${plural(items.length, "candidate")}`];
  if (truths.length) text.push(`${state.video.matched(state.shown)} of ${truths.length} annotated found at IoU 0.5`);
  byId("count").textContent = text.join(" · ");
  const best = items.length ? state.video.scores[1] : null;
  byId("empty").hidden = state.shown.length > 0;
  byId("empty-show").hidden = best === null;
  byId("empty-text").textContent = best === null ? "Nothing was found in this video."
    : `Nothing scores ${state.threshold.toFixed(2)} or more; the best candidate scores ${best.toFixed(2)}.`;
}

function showNotes() {
  const { raw } = state.video;
  const notes = [...report.warnings, ...raw.warnings];
  if (raw.status === "partial") notes.unshift("This video is damaged; only what could be decoded was looked at.");
  if (raw.cut_at !== null) notes.push(`Candidates that score less than ${raw.cut_at.toFixed(2)} are not in the predictions; wtalkit detect --all writes them.`);
  byId("notes").replaceChildren(...notes.map((note) => element("p", { textContent: note })));
  byId("notes").hidden = !notes.length;
}

function showLegend() {
  const { raw } = state.video;
  const entry = (name, text) => element("span", {}, element("i", { className: `key ${name}` }), text);
  byId("legend").replaceChildren(
    entry("bar", "segment"),
    ...(raw.truth ? [entry("truth", "annotated")] : []),
    ...(raw.curves ? [entry("curve", "activation")] : [element("span", { textContent: "made from predictions: no curves" })]),
    ...(raw.gaps.length ? [entry("gap", "no picture")] : []),
  );
}

function select(item) {
  state.selected = item;
  player.seek(item.start);
  timeline.selected = item;
  const span = timeline.view.to - timeline.view.from;
  if (item.start < timeline.view.from || item.start > timeline.view.to) timeline.look(item.start - span * 0.2, span);
  timeline.redraw();
  table.show(state.shown, item);
  table.reveal();
  table.fill(true);
  showNow();
}

function showNow() {
  const item = state.selected;
  byId("now").textContent = item ? `${clock(player.time, 2)}  ·  ${item.label}  ${clock(item.start, 2)} – ${clock(item.end, 2)}  ·  score ${item.score.toFixed(2)}` : clock(player.time, 2);
}

function timePassed(time, playing) {
  timeline.setTime(time, { follow: playing });
  showNow();
}

/** The segment so many places further on in the order of the table, counted from the cursor if none is selected. */
function step(by) {
  const items = table.items;
  if (!items.length) return;
  let place = items.indexOf(state.selected);
  if (place < 0) {
    const next = items.findIndex((item) => item.start >= player.time - 0.01);
    place = by > 0 ? (next < 0 ? 0 : next) : (next < 0 ? items.length : next) - 1;
  } else place += by;
  select(items[Math.max(0, Math.min(items.length - 1, place))]);
}

async function copyRange(item) {
  say((await copyText(range(item))) ? `Copied ${range(item)}` : "The browser did not let the page copy.");
}

function switchVideo(by) {
  const next = videos[videos.indexOf(state.video) + by];
  if (next) openVideo(next);
}

let themeChosen = false;

function setTheme(dark, keep = true) {
  themeChosen ||= keep;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  byId("theme").setAttribute("aria-pressed", String(dark));
  timeline.redraw();
  try {
    if (keep) localStorage.setItem("wtalkit-theme", dark ? "dark" : "light");
  } catch { /* a browser that stores nothing for files */ }
}

const isDark = () => document.documentElement.dataset.theme === "dark";

function startTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let kept = null;
  try {
    kept = localStorage.getItem("wtalkit-theme");
  } catch { /* likewise */ }
  themeChosen = Boolean(kept);
  setTheme(kept ? kept === "dark" : system.matches, false);
  system.addEventListener("change", () => themeChosen || setTheme(system.matches, false));
}

const SHORTCUTS = {
  " ": () => player.toggle(),
  ArrowLeft: (event) => player.seek(player.time - (event.shiftKey ? 5 : 1)),
  ArrowRight: (event) => player.seek(player.time + (event.shiftKey ? 5 : 1)),
  j: () => step(1), n: () => step(1), k: () => step(-1), p: () => step(-1),
  Enter: () => state.selected && (player.seek(state.selected.start), player.play()),
  c: () => state.selected && copyRange(state.selected),
  "+": () => timeline.zoom(0.5), "=": () => timeline.zoom(0.5), "-": () => timeline.zoom(2),
  0: () => timeline.look(0, state.video.duration),
  "[": () => switchVideo(-1), "]": () => switchVideo(1),
  t: () => setTheme(!isDark()),
  "?": () => byId("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target, key } = event;
  if (target.closest("select, textarea")) return;
  if (target.closest("input") && key.startsWith("Arrow")) return;
  if (target.closest("button") && (key === " " || key === "Enter")) return;
  const act = SHORTCUTS[key] ?? SHORTCUTS[key.toLowerCase()];
  if (!act || (key.length === 1 && !Object.hasOwn(SHORTCUTS, key) && event.shiftKey)) return;
  event.preventDefault();
  act(event);
});

function start() {
  startTheme();
  const described = (term, text) => [element("dt", { textContent: term }), element("dd", { textContent: text })];
  byId("keys").replaceChildren(...KEYS.flatMap(([key, text]) => described(key, text)));
  const { model } = report;
  const method = [model.method, ...(model.plugins ?? [])].filter(Boolean).join(" + ");
  const facts = [["Model", [model.name, method && `(${method})`].filter(Boolean).join(" ")], ["Learnt from", model.supervision && `${model.supervision} labels`],
    ["Features", report.features], ["Videos", String(videos.length)], ["Written by", `wtalkit ${report.wtalkit}`],
    ...report.failures.map((failure) => ["Failed", `${failure.path}: ${failure.cause}`])].filter(([, text]) => text);
  byId("about-facts").replaceChildren(...facts.flatMap(([term, text]) => described(term, text)));
  byId("facts").textContent = [model.name && `model ${model.name}`, report.features].filter(Boolean).join(" · ");
  byId("pick").hidden = byId("videos").hidden = videos.length < 2;
  byId("video-select").replaceChildren(...videos.map((video, index) => element("option", { value: index, textContent: video.key })));
  byId("videos").replaceChildren(...videos.map((video) => {
    const count = video.raw.candidates.score.filter((score) => score >= video.startsAt).length;
    const button = element("button", { type: "button", title: video.key },
      element("span", { textContent: video.key }), element("small", { textContent: `${clock(video.duration, 0)} · ${plural(count, "segment")}` }));
    button.addEventListener("click", () => openVideo(video));
    return button;
  }));
  byId("video-select").addEventListener("change", (event) => openVideo(videos[event.target.value]));
  byId("threshold").addEventListener("input", (event) => setThreshold(Number(event.target.value)));
  byId("threshold-reset").addEventListener("click", () => setThreshold(state.video.startsAt));
  byId("empty-show").addEventListener("click", () => setThreshold(state.video.scores[1]));
  byId("copy-table").addEventListener("click", async () => {
    say((await copyText(toTsv(state.video, table.items))) ? `Copied ${plural(table.items.length, "row")}` : "The browser did not let the page copy.");
  });
  byId("theme").addEventListener("click", () => setTheme(!isDark()));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("about-open").addEventListener("click", () => byId("about").showModal());
  byId("zoom-in").addEventListener("click", () => timeline.zoom(0.5));
  byId("zoom-out").addEventListener("click", () => timeline.zoom(2));
  byId("zoom-fit").addEventListener("click", () => timeline.look(0, state.video.duration));
  openVideo(videos[0]);
}

start();
