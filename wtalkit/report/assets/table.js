const COLUMNS = [
  { key: "label", name: "Action" },
  { key: "start", name: "Start", number: true },
  { key: "end", name: "End", number: true },
  { key: "length", name: "Length", number: true, narrow: false },
  { key: "score", name: "Score", number: true, falling: true },
  { key: "iou", name: "IoU", number: true, falling: true, truth: true, narrow: false },
];
const OVERSCAN = 8;
const HEAD = 30;
const SVG = "http://www.w3.org/2000/svg";

/** Two sheets; the glyph for it is in few fonts. */
function copyIcon() {
  const icon = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" })) icon.setAttribute(name, value);
  const sheets = document.createElementNS(SVG, "path");
  sheets.setAttribute("d", "M4.5 4.5h7v8h-7zM9.5 4.5v-3h-7v8h2");
  icon.append(sheets);
  return icon;
}

/** A table that holds only the rows in view, so that a hundred thousand scroll as ten do. */
class Table {
  constructor(actions) {
    this.actions = actions;
    this.scroll = byId("scroll");
    this.rows = byId("rows");
    this.sort = { key: "start", falling: false };
    this.items = [];
    this.scroll.addEventListener("scroll", () => this.fill());
    new ResizeObserver(() => this.fill()).observe(this.scroll);
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-place]");
      if (!row) return;
      const item = this.items[Number(row.dataset.place)];
      if (event.target.closest("button.copy")) this.actions.copy(item);
      else this.actions.select(item);
    });
  }

  setVideo(video) {
    this.video = video;
    this.columns = COLUMNS.filter((column) => !column.truth || video.raw.truth);
    if (!this.columns.some((column) => column.key === this.sort.key)) this.sort = { key: "start", falling: false };
    this.pictured = video.raw.pictures.length > 0;
    this.scroll.classList.toggle("pictured", this.pictured);
    this.scroll.scrollTop = 0;
    this.heads();
  }

  heads() {
    const cells = this.columns.map((column) => {
      const button = element("button", { type: "button" }, element("span", { textContent: column.name }));
      button.addEventListener("click", () => this.sortBy(column));
      const head = element("th", { scope: "col", className: this.classOf(column) }, button);
      if (column.key === this.sort.key) head.setAttribute("aria-sort", this.sort.falling ? "descending" : "ascending");
      return head;
    });
    const lead = this.pictured ? [element("th", { className: "picture" }, element("span", { className: "unseen", textContent: "Picture" }))] : [];
    const tail = element("th", { className: "act" }, element("span", { className: "unseen", textContent: "Copy" }));
    byId("head").replaceChildren(...lead, ...cells, tail);
  }

  classOf(column) {
    return `${column.number ? "number" : "name"}${column.narrow === false ? " wide" : ""}`;
  }

  sortBy(column) {
    const falling = this.sort.key === column.key ? !this.sort.falling : Boolean(column.falling);
    this.sort = { key: column.key, falling };
    const place = this.columns.indexOf(column);
    this.heads();
    byId("head").querySelectorAll("button")[place].focus();
    this.show(this.items, this.selected);
  }

  show(items, selected) {
    const { key, falling } = this.sort;
    const sign = falling ? -1 : 1;
    this.items = [...items].sort((a, b) => (a[key] < b[key] ? -sign : a[key] > b[key] ? sign : a.index - b.index));
    this.selected = selected;
    byId("table").setAttribute("aria-rowcount", this.items.length + 1);
    byId("table").hidden = !this.items.length;
    this.scroll.style.setProperty("--tall", `${HEAD + this.items.length * this.rowHeight}px`);
    this.fill(true);
  }

  get rowHeight() {
    return this.pictured ? 46 : 30;
  }

  fill(anew = false) {
    const first = Math.max(0, Math.floor((this.scroll.scrollTop - HEAD) / this.rowHeight) - OVERSCAN);
    const last = Math.min(this.items.length, first + Math.ceil(this.scroll.clientHeight / this.rowHeight) + 2 * OVERSCAN);
    if (!anew && this.first === first && this.last === last) return;
    [this.first, this.last] = [first, last];
    const focused = this.focused();
    const made = [];
    for (let place = first; place < last; place++) made.push(this.row(this.items[place], place));
    this.rows.replaceChildren(this.spacer(first), ...made, this.spacer(this.items.length - last));
    if (focused) this.focusAgain(focused);
  }

  /** The button of a row that has the keyboard's focus: rows are made anew, and a focus lost starts over at the top. */
  focused() {
    const row = document.activeElement?.closest("#rows tr[data-place]");
    return row ? { item: row.segment, name: document.activeElement.classList.contains("copy") ? "copy" : "jump" } : null;
  }

  focusAgain({ item, name }) {
    const row = [...this.rows.children].find((each) => each.segment === item);
    (row ? row.querySelector(`button.${name}`) : this.scroll).focus({ preventScroll: true });
  }

  spacer(count) {
    const made = element("tr", { className: "spacer", ariaHidden: "true" });
    made.style.height = `${count * this.rowHeight}px`;
    made.hidden = !count;
    return made;
  }

  row(item, place) {
    const swatch = element("span", { className: `swatch class-${item.c % 8}` });
    const picture = this.video.picture(item);
    const made = element("tr", {},
      ...(this.pictured ? [element("td", { className: "picture" }, ...(picture ? [element("img", { src: picture, alt: "" })] : []))] : []),
      ...this.columns.map((column) => {
        const shown = element("td", { className: this.classOf(column) });
        if (column.key === "label") {
          const jump = element("button", { type: "button", className: "jump", title: item.label }, swatch, element("span", { textContent: item.label }));
          jump.setAttribute("aria-label", `${item.label}, go to ${clock(item.start)}`);
          shown.append(jump);
        } else shown.textContent = this.text(item, column.key);
        return shown;
      }),
      element("td", { className: "act" }, element("button", { type: "button", className: "copy", ariaLabel: `Copy the time range of ${item.label} at ${clock(item.start)}`, title: "Copy the time range (c)" }, copyIcon())),
    );
    made.dataset.place = place;
    made.segment = item;
    made.setAttribute("aria-rowindex", place + 2);
    if (this.selected === item) {
      made.className = "selected";
      made.setAttribute("aria-current", "true");
    }
    return made;
  }

  text(item, key) {
    if (key === "start" || key === "end") return clock(item[key]);
    if (key === "length") return `${item.length.toFixed(1)} s`;
    return item[key].toFixed(2);
  }

  /** Bring the selected row into view. */
  reveal() {
    const place = this.items.indexOf(this.selected);
    if (place < 0) return;
    const top = place * this.rowHeight;
    const room = this.scroll.clientHeight - HEAD - this.rowHeight;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    else if (top > this.scroll.scrollTop + room) this.scroll.scrollTop = top - room;
  }
}
