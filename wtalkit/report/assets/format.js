const byId = (id) => document.getElementById(id);

/** An element with properties and children; text is text, never markup. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Seconds as people read them: 0:03.8, 1:02:03.4. */
function clock(seconds, digits = 1) {
  const scale = 10 ** digits;
  const units = Math.round(Math.max(0, seconds) * scale);
  const whole = Math.floor(units / scale);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const start = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  const tail = digits ? `.${String(units % scale).padStart(digits, "0")}` : "";
  return `${start}:${String(rest).padStart(2, "0")}${tail}`;
}

/** Seconds as FFmpeg and editors read them: 00:00:03.800. */
function stamp(seconds) {
  const ms = Math.round(seconds * 1000);
  const parts = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60, Math.floor(ms / 1000) % 60];
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}.${String(ms % 1000).padStart(3, "0")}`;
}

const range = (item) => `${stamp(item.start)} - ${stamp(item.end)}`;
const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const cell = (text) => String(text).replace(/[\t\r\n]+/g, " ");

/** What is shown, for a spreadsheet. */
function toTsv(video, items) {
  const rows = items.map((item) => [video.key, item.label, item.start.toFixed(3), item.end.toFixed(3), item.score]);
  return [["video", "label", "start_s", "end_s", "score"], ...rows].map((row) => row.map(cell).join("\t")).join("\n") + "\n";
}

/** Copy, also where the page came over plain HTTP and browsers withhold the clipboard. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { value: text, className: "unseen" });
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus?.();
    return done;
  }
}
