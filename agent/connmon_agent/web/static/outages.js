// Outages: the current or last one, and the list of all.
import { byId, el, fill, state, table, when } from "./elements.js";
import { ask } from "./server.js";
import { age, count, duration, kept } from "./words.js";

/** What an outage is called: one that an order began is no outage of the link. */
export const nameOf = (outage) => `${outage.by_operator ? "Requested recovery" : "Outage"} ${outage.id}`;

/** The current or the last outage, as the state has it. */
export function showOutage(document, now) {
  const { outage, link } = document;
  const title = byId("outage-title");
  if (!outage) {
    title.textContent = "Last outage";
    fill(byId("outage-body"), el("p", { class: "muted" }, "No outage recorded."));
    return;
  }
  const open = !outage.ended_at;
  title.textContent = open ? "Current outage" : "Last outage";
  const started = Date.parse(outage.started_at) / 1000;
  const end = outage.ended_at || (outage.by_operator ? null : outage.back_at);
  const seconds = (end ? Date.parse(end) / 1000 : now) - started - (outage.monitoring_gap || 0);
  const ready = document.services.filter((service) => service.state === "READY").length;
  fill(byId("outage-body"),
    el("p", { class: "big" }, open && !end ? `${age(seconds)} so far` : duration(Math.max(0, seconds))),
    el("dl", { class: "facts" },
      fact("Started", when(outage.started_at)),
      outage.back_at && fact("Link back", when(outage.back_at)),
      outage.ended_at && fact("Ended", when(outage.ended_at)),
      fact("Cause", el("span", null, outage.cause, outage.detail && el("span", { class: "muted" }, kept(`: ${outage.detail}`)))),
      outage.monitoring_gap >= 1 && fact("Monitoring gap", `${duration(outage.monitoring_gap)}, not counted`),
      outage.relapses > 0 && fact("Relapses", String(outage.relapses)),
      open && link.state !== "OFFLINE" && fact("Services", `${ready} of ${document.services.length} ready`)),
    el("p", null, el("a", { href: `#outage/${outage.id}`, "data-key": "outage" }, `${nameOf(outage)}, decision by decision`)));
}

export const fact = (label, ...value) => [el("dt", null, label), el("dd", null, ...value)];

/** The list of all outages, a page at a time. */
export class Outages {
  constructor(failed) {
    Object.assign(this, { failed, list: [], next: null, total: 0 });
    byId("older").addEventListener("click", () => this.load(this.next));
  }

  /** Ask for the newest outages (`before` null), or for those before one. */
  async load(before = null) {
    try {
      const answer = await ask(`/api/outages?limit=${before ? 50 : 10}${before ? `&before=${before}` : ""}`);
      const known = before ? this.list : this.list.filter((outage) => outage.id < (answer.outages.at(-1)?.id ?? 0));
      this.list = before ? [...known, ...answer.outages] : [...answer.outages, ...known];
      if (before || !known.length) this.next = answer.next;
      this.total = answer.total;
      this.note = answer.note;
    } catch (failure) {
      this.failed(failure);
      return;
    }
    this.#show();
  }

  #show() {
    byId("older").hidden = this.next === null;
    byId("outages-title").textContent = this.total ? `Outages (${this.total.toLocaleString("en")})` : "Outages";
    fill(byId("outages"), this.list.length
      ? table(["Outage", "Started", "#Lasted", "Cause", "#Restarts", "Result"], this.list.map(row), { cards: true, caption: "Outages, newest first" })
      : el("p", { class: "muted" }, "No outage recorded."),
    this.note && el("p", { class: "muted" }, this.note));
  }
}

const row = (outage) => [
  el("a", { href: `#outage/${outage.id}`, "data-key": `outage ${outage.id}` }, nameOf(outage)),
  when(outage.started_at),
  outage.duration == null ? "still open" : duration(outage.duration),
  outage.cause,
  String(outage.restarts),
  resultOf(outage),
];

/** How it ended; a service that gave up is marked, for it needs an administrator. */
export function resultOf(outage) {
  const lost = /^gave up: ([^;]+)(.*)$/.exec(outage.result || "");
  return lost ? [state("GAVE_UP"), ` ${lost[1]}${lost[2]}`] : outage.result || "";
}

export const relapses = (outage) => (outage.relapses ? count(outage.relapses, "relapse") : "none");
