// What the page asks the server, and the stream of what happens. One tab of a browser has the stream and hands it on.

const SILENCE = 40; // seconds without any event after which the connection counts as lost; the server sends one each 15 s
const RETRY = [2, 5, 10, 20, 30]; // seconds before a stream that was refused is opened again

/** What the server answered instead of what was asked: its message, and what to do (`hint`). */
export class Refused extends Error {
  constructor(status, message, hint) {
    super(message);
    Object.assign(this, { status, hint });
  }
}

/** Ask for a document. Raises Refused, or AbortError where `signal` ended it. */
export async function ask(path, { signal, order, token } = {}) {
  const request = { signal, headers: {}, cache: "no-store" };
  if (order) {
    Object.assign(request, { method: "POST", body: JSON.stringify(order) });
    request.headers = { "Content-Type": "application/json", "X-Connmon-Token": token };
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Refused(0, "The server of this page does not answer.", "Check that `connmon-agent web` runs.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const { message, hint } = answer?.error || { message: `The server answered ${response.status}.` };
  throw new Refused(response.status, message, hint);
}

/**
 * The stream, by its events: `on(name, data)`. A hidden tab has none. Of the visible tabs one has it, and passes each
 * event to the others: a browser opens six connections to a server at most.
 */
export class Live {
  constructor(on) {
    this.on = on;
    this.seq = null; // the newest decision that was seen
    this.heard = null; // when the last event came, on the clock that is never set; null: none yet
    this.failures = 0;
    this.others = "BroadcastChannel" in self ? new BroadcastChannel("connmon-agent") : null;
    if (this.others) this.others.onmessage = (message) => this.#hear(message.data);
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#leave() : this.start()));
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", (event) => event.persisted && this.start());
    addEventListener("online", () => this.#reopen());
    setInterval(() => this.#look(), 1000);
  }

  /** Listen: to the tab that has the stream, or else to the server. */
  start() {
    if (document.hidden || this.source) return;
    this.others?.postMessage({ ask: true });
    clearTimeout(this.wait);
    this.wait = setTimeout(() => !this.follows && this.#open(), this.others ? 150 : 0);
  }

  /** Seconds since the last event. */
  get silence() {
    return this.heard === null ? null : (performance.now() - this.heard) / 1000;
  }

  get lost() {
    return this.broken || (this.silence ?? 0) > SILENCE;
  }

  #open() {
    if (document.hidden || this.source) return;
    this.source = new EventSource(`/api/stream${this.seq === null ? "" : `?after=${this.seq}`}`);
    for (const name of ["state", "pulse", "decision", "reset", "trouble", "alive"]) {
      this.source.addEventListener(name, (event) => this.#pass(name, JSON.parse(event.data)));
    }
    this.source.onopen = () => { this.opened = performance.now(); };
    this.source.onerror = () => this.#fail();
  }

  #pass(name, data) {
    this.others?.postMessage({ name, data });
    this.#take(name, data);
  }

  #take(name, data) {
    if (name === "state") this.state = data;
    Object.assign(this, { heard: performance.now(), failures: 0, broken: false });
    if (name === "decision" || name === "reset") this.seq = data.seq;
    if (name === "state" && this.seq === null) this.seq = data.seq;
    this.on(name, data);
  }

  /** A browser opens a broken stream again, but not one that was refused. */
  #fail() {
    this.broken = true;
    this.on("lost", null);
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.#close();
    const seconds = RETRY[Math.min(this.failures, RETRY.length - 1)];
    this.failures += 1;
    clearTimeout(this.wait);
    this.wait = setTimeout(() => this.#open(), seconds * 1000);
  }

  #hear({ ask: asked, name, data, gone }) {
    if (asked && this.source && this.state) this.others.postMessage({ name: "state", data: this.state });
    if (gone) this.#takeOver();
    if (!name) return;
    if (this.source) this.#close(); // two opened at once: who hears of it first goes back
    this.follows = !this.source;
    if (this.follows && !document.hidden) this.#take(name, data);
  }

  /** The tab with the stream is gone: the first visible one has it next. */
  #takeOver() {
    this.follows = false;
    if (!document.hidden) this.wait = setTimeout(() => this.start(), Math.random() * 300);
  }

  #leave() {
    clearTimeout(this.wait);
    const had = this.source;
    this.#close();
    this.follows = false;
    if (had) this.others?.postMessage({ gone: true });
  }

  #close() {
    this.source?.close();
    this.source = null;
  }

  #reopen() {
    if (document.hidden || this.follows) return;
    this.#close();
    this.#open();
  }

  /** A stream that hangs says nothing: it is opened again. */
  #look() {
    if (document.hidden || this.silence === null || this.silence <= SILENCE || performance.now() < (this.again || 0)) return;
    this.again = performance.now() + SILENCE * 1000;
    this.on("lost", null);
    if (this.follows) this.#takeOver();
    else this.#reopen();
  }
}
