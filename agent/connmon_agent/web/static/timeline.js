// The timeline: which period is seen, how it is moved, what stands under the pointer, and the table behind it.
import { byId, drawing, el, fill, state, table, when } from "./elements.js";
import { axis, axisTicks, paint, palette, small } from "./painting.js";
import { ask } from "./server.js";
import { wordOf } from "./states.js";
import { count, day, duration, moment, percent } from "./words.js";

const PERIODS = [["Hour", 3600], ["Day", 86400], ["Week", 604800], ["Month", 2592000], ["Year", 31536000]];
const SHORTEST = 10; // seconds
const LONGEST = 20 * 31536000; // what the server answers
const SETTLED = 160; // milliseconds without a move after which the server is asked
const FRESH = [5, 60]; // seconds: how often a period that ends now is asked for anew, at most and at least
const YOUNG = 180; // seconds that the timeline of an agent that has just begun shows at least
const MOST_ROWS = 300; // of the table

export class Timeline {
  /**
   * `now()`: the server's time in Unix seconds. `seen(answer, window)` is called with each answer and each move,
   * `pointed(second)` with the instant under the pointer (null: none), `failed(failure)` with what went wrong.
   */
  constructor({ now, seen, pointed, failed }) {
    Object.assign(this, { now, seen, point: pointed, failed, data: null, names: [], live: true, length: 86400 });
    this.sight = el("div", {
      class: "sight", tabindex: 0, role: "group", id: "sight", "aria-describedby": "keys",
    });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.hair = el("div", { class: "hair", hidden: true });
    this.labels = el("ul", { id: "track-names" });
    this.sight.append(this.canvas, this.hair);
    byId("tracks").append(this.labels, this.sight,
      el("p", { id: "keys", class: "hide" }, "Left and right arrows move, plus and minus zoom, N and P select the next and the previous outage, Enter opens it, Home shows the present."));
    this.#controls();
    this.#legend();
    this.#listen();
    byId("timeline-table").addEventListener("toggle", () => this.#table());
    new ResizeObserver(() => this.draw()).observe(this.sight);
    this.move(now());
  }

  get window() {
    return { since: this.until - this.length, until: this.until };
  }

  /** Whether what was answered is of all of the period that is shown. */
  get covered() {
    const slack = this.length / 50;
    return this.data.since <= this.window.since + slack && this.data.until >= this.window.until - slack;
  }

  /** Show the period that ends at `until`; no further than the present. */
  move(until, length = this.length) {
    const present = this.now();
    this.length = Math.min(LONGEST, Math.max(SHORTEST, length));
    this.live = until >= present - this.length / 200;
    this.until = this.live ? present : until;
    for (const button of byId("periods").children) {
      button.setAttribute("aria-pressed", String(Number(button.value) === this.length));
    }
    this.draw();
    this.seen(null, this.window);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.load(), this.data ? SETTLED : 0);
  }

  zoom(factor, at = this.live ? this.until : this.until - this.length / 2) {
    const length = Math.min(LONGEST, Math.max(SHORTEST, this.length * factor));
    this.move(at + ((this.until - at) * length) / this.length, length);
  }

  /** Ask the server for this period. */
  async load() {
    clearTimeout(this.settling);
    clearTimeout(this.refreshing);
    this.asking?.abort();
    this.asking = new AbortController();
    if (this.live) this.until = this.now();
    const { since, until } = this.window;
    const buckets = Math.min(1000, Math.max(100, Math.round(this.sight.clientWidth / 2)));
    try {
      this.data = await ask(`/api/timeline?since=${since.toFixed(3)}&until=${until.toFixed(3)}&buckets=${buckets}`, { signal: this.asking.signal });
    } catch (failure) {
      if (failure.name !== "AbortError") this.failed(failure);
      return;
    }
    if (!this.fitted && this.#fit()) return;
    this.#follow();
    this.draw();
    this.#table();
    this.seen(this.data, this.window);
  }

  /** What began a short time ago would be too narrow to be seen in a day: begin with what there is. */
  #fit() {
    this.fitted = true;
    const since = this.data.kept_since;
    const length = Math.max(YOUNG, 2 * (this.now() - since));
    if (since === null || length > 7200) return false;
    this.move(Infinity, length);
    return true;
  }

  /** Something happened: ask soon, once for all that happens together. */
  stale() {
    if (!this.live) return;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.load(), SETTLED);
  }

  #follow() {
    if (!this.live || document.hidden) return;
    const [least, most] = FRESH;
    this.refreshing = setTimeout(() => this.load(), 1000 * Math.min(most, Math.max(least, this.length / 400)));
  }

  draw() {
    const width = this.sight.clientWidth;
    if (!this.data || !width) return;
    performance.clearMeasures("timeline");
    const began = performance.now();
    const rows = this.#rows();
    const height = rows.height + axis();
    this.sight.style.height = `${height}px`;
    this.ticks = axisTicks(this.window, width, small() * (width < 500 ? 5.3 : 7));
    paint(this.canvas, { data: this.data, window: this.window, rows: rows.list, width, height, colors: palette(this.sight), ticks: this.ticks });
    performance.measure("timeline", { start: began });
    this.#caption();
  }

  /** Where each track stands, by the height that the style sheet gives its name. */
  #rows() {
    const tracks = this.data.tracks;
    const services = tracks.filter((track) => track.kind === "service");
    const marks = tracks.find((track) => track.kind === "attempts");
    const names = ["Link", ...(services.length ? ["Restarts"] : []), ...services.map((track) => track.name)];
    if (fill(this.labels, names.map((name) => el("li", null, el("span", { title: name }, name))))) this.names = names;
    const [first, second] = [this.labels.children[0], this.labels.children[1]];
    const above = getComputedStyle(this.labels).position === "absolute" ? first.firstChild.offsetHeight + 4 : 5;
    const row = (item) => ({ top: item.offsetTop + above, height: item.offsetHeight - above - 8 });
    const list = [{ track: tracks.find((track) => track.kind === "link"), ...row(first) }];
    if (second) list.push({ marks: marks?.marks || [], ...row(second) });
    services.forEach((track, index) => list.push({
      track, ports: tracks.find((port) => port.kind === "port" && port.name === track.name), ...row(this.labels.children[index + 2]),
    }));
    return { list, height: this.labels.offsetHeight };
  }

  #caption() {
    const { since, until } = this.window;
    const write = (seconds) => (this.length < 172800 ? moment(new Date(seconds * 1000), new Date()) : day(new Date(seconds * 1000)));
    const found = this.covered ? count(this.data.outages.count, "outage") : "loading";
    fill(byId("window"), when(since, () => write(since)), " to ", this.live ? "now" : when(until, () => write(until)));
    this.sight.setAttribute("aria-label",
      `Timeline of ${write(since)} to ${this.live ? "now" : write(until)}: ${found}. The table below has the same content.`);
    if (!this.pointed) this.#read(null);
  }

  // What is under the pointer.

  #at(x) {
    return this.window.since + (x / this.sight.clientWidth) * this.length;
  }

  #read(second) {
    const box = byId("readout");
    this.hair.hidden = second === null;
    this.point(second);
    if (second === null) {
      const { count: number } = this.data.outages;
      box.textContent = !this.covered ? "loading …" : number ? count(number, "outage") : "no outage";
      return;
    }
    this.hair.style.left = `${((second - this.window.since) / this.length) * this.sight.clientWidth}px`;
    const at = second - this.data.since;
    const said = this.data.tracks.filter((track) => track.spans && track.kind !== "port").map((track) => [track, spanAt(track, at)]);
    const other = said.filter(([track, span]) => track.kind === "service" && span && track.states[span[2]] !== "READY");
    const link = said.find(([track]) => track.kind === "link");
    box.textContent = [
      moment(new Date(second * 1000), new Date()), link?.[1] && `link ${describe(link[0], link[1])}`,
      ...other.slice(0, 3).map(([track, span]) => `${track.name} ${describe(track, span)}`), other.length > 3 && `${other.length - 3} more`,
    ].filter(Boolean).join(", ");
  }

  /** The place of a decision or an outage that was pointed at; null: there is none. */
  #target(second) {
    const slack = (6 / this.sight.clientWidth) * this.length;
    const at = second - this.data.since;
    const outage = (this.data.outages.spans || []).find(([, start, back, end]) => at >= start - slack && at <= (end ?? Infinity) + slack);
    if (outage) return `#outage/${outage[0]}`;
    const link = this.data.tracks.find((track) => track.kind === "link");
    const span = spanAt(link, at);
    return span && span[3] ? `#event/${span[3]}` : null;
  }

  #outage(forward) {
    const spans = this.data?.outages.spans;
    if (!spans?.length) return;
    const at = (this.pointed ?? (forward ? this.window.since : this.window.until)) - this.data.since;
    const next = forward ? spans.find(([, start]) => start > at + 0.001) : spans.findLast(([, start]) => start < at - 0.001);
    if (!next) return;
    this.pointed = this.data.since + next[1] + 0.0005;
    this.#read(this.pointed);
    byId("readout").textContent = `outage ${next[0]}, ${byId("readout").textContent}`;
    this.selected = next[0];
  }

  // Controls.

  #controls() {
    byId("periods").append(...PERIODS.map(([name, seconds]) =>
      el("button", { type: "button", value: seconds, "aria-pressed": "false", onclick: () => this.move(this.until, seconds) }, name)));
    const moves = [
      ["←", "Earlier", () => this.#shift(-0.5)], ["→", "Later", () => this.#shift(0.5)],
      ["−", "Zoom out", () => this.zoom(2)], ["+", "Zoom in", () => this.zoom(0.5)], ["Now", "Show the present", () => this.move(Infinity)],
    ];
    byId("moves").append(...moves.map(([sign, name, act]) =>
      el("button", { type: "button", "aria-label": name, title: name, onclick: act }, sign)));
  }

  #shift(part) {
    this.move(this.until + part * this.length);
  }

  #listen() {
    const held = new Map(); // the fingers or buttons that are down: where each is
    let start = null;
    const begin = () => {
      const places = [...held.values()];
      start = places.length && {
        middle: mean(places), wide: Math.max(8, Math.abs((places[1] ?? places[0]) - places[0])), until: this.until, length: this.length, moved: false,
      };
    };
    const x = (event) => event.clientX - this.sight.getBoundingClientRect().left;
    this.sight.addEventListener("pointerdown", (event) => {
      if (event.button > 0 || !this.data) return;
      held.set(event.pointerId, x(event));
      this.sight.setPointerCapture(event.pointerId);
      begin();
    });
    this.sight.addEventListener("pointermove", (event) => {
      if (!this.data) return;
      if (!held.has(event.pointerId)) {
        this.pointed = this.#at(x(event));
        this.#read(this.pointed);
        return;
      }
      held.set(event.pointerId, x(event));
      this.#drag([...held.values()], start);
    });
    const release = (event) => {
      if (!held.delete(event.pointerId)) return;
      const clicked = start && !start.moved && event.type === "pointerup";
      begin();
      if (!clicked) return;
      const target = this.#target(this.#at(x(event)));
      if (target) location.hash = target;
    };
    this.sight.addEventListener("pointerup", release);
    this.sight.addEventListener("pointercancel", release);
    this.sight.addEventListener("pointerleave", () => { this.pointed = null; if (this.data) this.#read(null); });
    this.sight.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return; // the page is scrolled as ever
      event.preventDefault();
      if (event.ctrlKey) this.zoom(Math.exp(event.deltaY / 200), this.#at(x(event)));
      else this.#shift((event.deltaY || event.deltaX) / 1000);
    }, { passive: false });
    this.sight.addEventListener("keydown", (event) => this.#key(event));
  }

  #drag(places, start) {
    const width = this.sight.clientWidth;
    const wide = places.length > 1 ? Math.max(8, Math.abs(places[1] - places[0])) : start.wide;
    const middle = mean(places);
    if (Math.abs(middle - start.middle) + Math.abs(wide - start.wide) < 4 && !start.moved) return;
    start.moved = true;
    const length = (start.length * start.wide) / wide;
    const held = start.until - start.length + (start.middle / width) * start.length; // the instant under the fingers stays there
    this.move(held + (1 - middle / width) * length, length);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data) return;
    const act = {
      ArrowLeft: () => this.#shift(-0.1), ArrowRight: () => this.#shift(0.1), PageUp: () => this.#shift(-1), PageDown: () => this.#shift(1),
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), Home: () => this.move(Infinity), End: () => this.move(Infinity),
      n: () => this.#outage(true), p: () => this.#outage(false), Enter: () => this.selected && (location.hash = `#outage/${this.selected}`),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #legend() {
    const colors = ["ONLINE", "DEGRADED", "RECOVERING", "OFFLINE"].map((name) => el("span", null, state(name)));
    const lines = drawing("0 0 26 20", [
      ["rect", { class: "gap-box", x: 0.5, y: 0.5, width: 25, height: 19 }],
      ["path", { class: "gap-lines", d: "M0 8 8 0M0 16 16 0M4 20 24 0M12 20 26 6M20 20l6-6" }],
    ]);
    const mark = drawing("0 0 26 20", [["path", { class: "mark-shape", d: "M13 4l6 12H7z" }]]);
    const port = drawing("0 0 26 20", [["path", { class: "port-line", d: "M0 10h26" }]]);
    byId("legend").append(...colors, el("span", null, lines, "monitoring gap: neither uptime nor downtime"), el("span", null, mark, "restart"), el("span", null, port, "local port open"));
  }

  // The table behind it: what a reader of the screen has in place of the drawing.

  #table() {
    const box = byId("timeline-table");
    if (!box.open || !this.data) return;
    const rows = [];
    for (const track of this.data.tracks.filter((one) => one.spans)) {
      for (const span of track.spans) {
        const [start, end, code, seq] = span;
        if (track.states[code] === "NO_RECORD") continue;
        const name = track.kind === "link" ? "link" : track.kind === "port" ? `${track.name}, port` : track.name;
        rows.push([start, name, describe(track, span), end - start, seq]);
      }
    }
    for (const [start, end, number, bad, seq, service] of this.data.tracks.find((track) => track.kind === "attempts")?.marks || []) {
      rows.push([start, service || "services", `${count(number, "restart")}${bad ? `, ${bad} refused or unknown` : ""}`, end - start, seq]);
    }
    rows.sort((one, other) => other[0] - one[0]);
    const left = rows.length - MOST_ROWS;
    fill(box.lastElementChild, table(["From", "Of", "State", "#For", "Decision"], rows.slice(0, MOST_ROWS).map(([start, name, text, long, seq]) => [
      when(this.data.since + start), name, text, long ? duration(long) : "", seq ? el("a", { href: `#event/${seq}`, "data-key": `table ${seq} ${name}` }, `event ${seq}`) : "",
    ]), { caption: "Timeline" }), left > 0 && el("p", { class: "muted" }, `${count(left, "older row")} left out. Zoom in to see them.`));
  }
}

const mean = (places) => places.reduce((sum, place) => sum + place, 0) / places.length;

function spanAt(track, second) {
  let [low, high] = [0, track.spans.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [start, end] = track.spans[middle];
    if (second < start) high = middle - 1;
    else if (second >= end) low = middle + 1;
    else return track.spans[middle];
  }
  return null;
}

function describe(track, [start, end, code, , changes, share]) {
  const word = wordOf(track.states[code]);
  return changes === undefined ? word : `${word} ${percent(share)} of ${duration(end - start)}`;
}


