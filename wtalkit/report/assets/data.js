const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

function overlap(a, b) {
  const shared = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  return shared <= 0 ? 0 : shared / (Math.max(a.end, b.end) - Math.min(a.start, b.start));
}

/** One video of the report; what costs time is made when it is first looked at. */
class Video {
  constructor(raw, labels) {
    Object.assign(this, raw);
    this.raw = raw;
    this.labels = labels;
    this.curveCache = new Map();
  }

  get items() {
    if (this.made) return this.made;
    const { label, start, end, score, picture } = this.raw.candidates;
    this.truthItems = (this.raw.truth ?? []).map(([c, s, e]) => ({ c, start: s, end: e, label: this.labels[c] }));
    const truthOf = groupByClass(this.truthItems);
    this.made = label.map((c, index) => {
      const item = { index, c, label: this.labels[c], start: start[index], end: end[index], score: score[index], picture: picture[index] };
      item.length = item.end - item.start;
      if (this.raw.truth) item.iou = Math.max(0, ...(truthOf.get(c) ?? []).map((each) => overlap(item, each)));
      return item;
    });
    return this.made;
  }

  get truths() {
    return this.items && this.truthItems;
  }

  /** Least and highest score. */
  get scores() {
    let [low, high] = [Infinity, -Infinity];
    for (const item of this.items) {
      if (item.score < low) low = item.score;
      if (item.score > high) high = item.score;
    }
    return low <= high ? [low, high] : [0, 1];
  }

  shown(threshold) {
    return this.items.filter((item) => item.score >= threshold);
  }

  /** Where the slider starts; below all scores where the report has no threshold. */
  get startsAt() {
    return this.raw.threshold ?? this.scores[0];
  }

  picture(item) {
    return item && item.picture >= 0 ? `data:image/webp;base64,${this.raw.pictures[item.picture]}` : null;
  }

  /** The picture of the segment that starts last before this time. */
  pictureAt(time) {
    let best = null;
    for (const item of this.items) {
      if (item.picture >= 0 && (!best || (item.start <= time + 0.05 && item.start > best.start))) best = item;
    }
    return this.picture(best);
  }

  /** Bytes of a class's curve, or of "attention"; null where there is none. */
  curve(which) {
    if (this.curveCache.has(which)) return this.curveCache.get(which);
    const curves = this.raw.curves;
    const place = which === "attention" ? 0 : (curves?.classes.indexOf(which) ?? -1);
    const text = which === "attention" ? curves?.attention : curves?.data[place];
    const found = text ? bytesOf(text) : null;
    this.curveCache.set(which, found);
    return found;
  }

  /** Instances of the ground truth that the items find, each item taking one at most, best score first. */
  matched(items, tiou = 0.5) {
    const free = new Set(this.truths);
    for (const item of [...items].sort((a, b) => b.score - a.score)) {
      let best = null;
      for (const truth of free) {
        if (truth.c === item.c && overlap(item, truth) >= Math.max(tiou, best ? overlap(item, best) : 0)) best = truth;
      }
      if (best) free.delete(best);
    }
    return this.truths.length - free.size;
  }
}

function groupByClass(items) {
  const groups = new Map();
  for (const item of items) {
    if (!groups.has(item.c)) groups.set(item.c, []);
    groups.get(item.c).push(item);
  }
  return groups;
}
