/** The video element, or a clock of our own with still pictures where the browser cannot play the file. */
class Player {
  constructor(actions) {
    this.actions = actions;
    this.element = byId("player");
    this.own = 0;
    this.playable = false;
    this.element.addEventListener("error", () => this.giveUp());
    this.element.addEventListener("loadedmetadata", () => {
      if (this.pending !== null) this.element.currentTime = this.pending;
      this.pending = null;
      if (!this.element.videoWidth) this.giveUp();
    });
    for (const name of ["timeupdate", "seeking", "seeked"]) this.element.addEventListener(name, () => this.tell());
    this.element.addEventListener("play", () => requestAnimationFrame(() => this.run()));
  }

  setVideo(video) {
    this.video = video;
    this.own = 0;
    this.pending = 0;
    this.playable = Boolean(video.raw.link || video.raw.media);
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = video.raw.media ? URL.createObjectURL(embedded(video.raw)) : null;
    this.element.hidden = !this.playable;
    byId("unplayable").hidden = this.playable;
    if (this.playable) this.element.src = this.url ?? video.raw.link;
    else {
      this.element.removeAttribute("src");
      this.giveUp();
    }
  }

  /** Say why there is no picture; everything else works on. */
  giveUp() {
    if (!this.video) return;
    this.playable = false;
    this.element.hidden = true;
    byId("unplayable").hidden = false;
    const { file, codec, link } = this.video.raw;
    byId("why").textContent = !file
      ? "The video was not found when this report was made. Timeline and table work without it."
      : `This browser cannot play ${file}${codec ? ` (${codec})` : ""}` +
        `${link ? ", or it is no longer where this report expects it" : ""}. Timeline and table work without it.`;
    this.tell();
  }

  get time() {
    return this.playable && this.pending === null ? this.element.currentTime : this.own;
  }

  seek(time) {
    this.own = Math.max(0, Math.min(time, this.video.duration));
    if (!this.playable) return this.tell();
    if (this.element.readyState > 0) this.element.currentTime = this.own;
    else this.pending = this.own;
    this.actions.time(this.own, false);
  }

  play() {
    if (this.playable) this.element.play().catch(() => {});
  }

  toggle() {
    if (this.element.paused) this.play();
    else this.element.pause();
  }

  /** Told at every frame while playing, so that the cursor glides. */
  run() {
    if (this.element.paused || this.element.ended) return;
    this.tell(true);
    requestAnimationFrame(() => this.run());
  }

  tell(playing = false) {
    if (!this.playable) {
      const still = this.video.pictureAt(this.own);
      byId("still").hidden = !still;
      if (still) byId("still").src = still;
    }
    this.actions.time(this.time, playing);
  }
}

/** The file that lies in the page. */
function embedded(raw) {
  return new Blob([bytesOf(byId(raw.media).textContent)], { type: raw.type });
}
