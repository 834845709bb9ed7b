// The sheet that opens over the page: a decision with its guards, a service, the link, an outage. Its address is the
// hash: #event/40, #service/grafana, #link, #outage/7.
import { advice, byId, el, fill, state, table, when } from "./elements.js";
import { fact, nameOf, relapses, resultOf } from "./outages.js";
import { ask } from "./server.js";
import { STATES, wordOf } from "./states.js";
import { duration } from "./words.js";

const DECISIONS = 50; // of an outage, a page

export class Sheet {
  constructor() {
    this.dialog = byId("sheet");
    byId("sheet-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.#closed());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    addEventListener("hashchange", () => this.route());
  }

  /** Show what the hash names; nothing, and the page alone, where it names nothing. */
  async route() {
    const [kind, name] = readHash().split(/\/(.*)/s);
    const show = { event: showEvent, service: showService, link: showLink, outage: showOutage }[kind];
    this.asking?.abort();
    if (!show) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.#open({ event: `Event ${name}`, service: name, link: "Link", outage: `Outage ${name}` }[kind], el("p", { class: "muted" }, "Loading …"));
    try {
      const [title, ...content] = await show(name, signal);
      if (!signal.aborted) this.#open(title, ...content);
    } catch (failure) {
      if (!signal.aborted) this.#open(byId("sheet-title").textContent, el("p", { class: "error", role: "alert" }, failure.message), failure.hint && el("p", null, failure.hint));
    }
  }

  #open(title, ...content) {
    byId("sheet-title").replaceChildren(title);
    fill(byId("sheet-body"), ...content);
    byId("sheet-body").scrollTop = 0;
    if (this.dialog.open) return;
    this.opener = document.activeElement?.dataset?.key;
    this.dialog.showModal();
    byId("sheet-title").focus();
  }

  #closed() {
    this.asking?.abort();
    if (location.hash) history.replaceState(null, "", location.pathname);
    document.querySelector(`[data-key="${CSS.escape(this.opener || "")}"]`)?.focus();
  }
}

/** What the address names. A typed one that is not encoded is taken as it is. */
function readHash() {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

async function showEvent(seq, signal) {
  const event = await ask(`/api/decisions/${encodeURIComponent(seq)}`, { signal });
  return [
    `Event ${event.seq}`,
    el("p", null, when(event.at), ": ", event.happened),
    event.verdict && el("p", { class: "note" }, event.verdict),
    event.refusal && el("p", { class: "note tone-bad" }, `Refused: ${event.refusal}`),
    event.decisions.length ? event.decisions.map(decision) : el("p", { class: "muted" }, "No state changed."),
    list("What was done", event.effects),
    list("Notes", event.notes),
    evidence(event.evidence),
    ways("Transitions not taken", event.ways),
    event.sequels.length > 0 && [el("h3", null, "What followed"), el("ul", { class: "rows" }, event.sequels.map((one) => el("li", null, when(one.at), " ", el("a", { href: `#event/${one.seq}` }, `event ${one.seq}`), ` ${one.text}`)))],
    el("p", { class: "pager" },
      event.seq > 1 ? el("a", { href: `#event/${event.seq - 1}` }, "← Previous event") : el("span"),
      el("a", { href: `#event/${event.seq + 1}` }, "Next event →")),
  ];
}

function decision(one) {
  const place = one.instance === "link" ? "link" : one.instance;
  return el("div", { class: "step" },
    el("p", null, `${place} `, word(one.source), el("span", { class: "arrow" }, " → "), word(one.dest)),
    el("p", null, one.reason),
    el("dl", { class: "facts" },
      fact("Event", one.happening ? `${one.happening} (${one.trigger})` : one.trigger),
      one.budget && fact("Budget", `${one.budget.attempts}/${one.budget.limit} restarts used`),
      one.penalty && fact("Flap penalty", String(one.penalty))),
    guards(one.guards),
    one.actions.length > 0 && list("Actions", one.actions.map((action) => `${action.name}: ${action.meaning}`)));
}

/** A state of any chart; not every one is a state of the link, a service or a port. */
const word = (name) => (STATES[name] ? state(name) : wordOf(name));

function guards(all) {
  if (!all.length) return null;
  const rows = all.map(({ name, meaning, answer, wanted, change }) => [
    el("code", null, name), meaning,
    el("span", { class: `mark ${answer ? "yes" : "no"}` }, answer == null ? "unknown" : answer ? "yes" : "no"),
    wanted === undefined ? null : [wanted ? "yes" : "no", change && `: ${change}`],
  ].slice(0, wanted === undefined ? 3 : 4));
  return table(["Guard", "Asks", "Answer", ...(all[0].wanted === undefined ? [] : ["Needed"])], rows, { cards: true, caption: "Guards" });
}

const list = (title, lines) => lines?.length > 0 && [el("h3", null, title), el("ul", { class: "rows" }, lines.map((line) => el("li", null, line)))];

function evidence(facts) {
  if (!facts?.length) return null;
  return [el("h3", null, "Evidence"), table(["Layer", "Result", "Found"], facts.map(({ layer, ok, text }) => [
    layer, el("span", { class: `mark ${ok ? "ok" : ok === false ? "failed" : "no"}` }, ok ? "ok" : ok === false ? "FAILED" : "-"), text,
  ]), { caption: "Evidence" })];
}

function ways(title, all) {
  if (!all?.length) return null;
  return [el("h3", null, title), all.map((way) => el("details", { class: "step" },
    el("summary", null, word(way.to), ` when ${way.happening || way.trigger}`), el("p", null, way.when), guards(way.guards)))];
}

async function showService(name, signal) {
  const [service, past] = await Promise.all([
    ask(`/api/explain/${encodeURIComponent(name)}`, { signal }),
    ask(`/api/decisions?instance=${encodeURIComponent(name)}&limit=10`, { signal }),
  ]);
  const { forward } = service;
  return [
    service.name,
    el("p", null, state(service.state), service.since && [" since ", when(service.since)], `: ${service.reason}`),
    el("dl", { class: "facts" },
      fact("Budget", `${service.budget.attempts}/${service.budget.limit} restarts used, ${service.budget.left} left`),
      service.next_look && fact("Next check", service.next_look),
      forward && fact("Local port", forward.port ? `${forward.port}, ${forward.state}` : forward.state, forward.reason && `: ${forward.reason}`),
      forward?.choice && fact("Why this port", forward.choice)),
    list("What holds it", service.holds),
    evidence(service.evidence),
    ways("What would change it", service.ways),
    decisions(past.decisions),
  ];
}

async function showLink(_, signal) {
  const [link, past] = await Promise.all([ask("/api/explain/now", { signal }), ask("/api/decisions?instance=link&limit=10", { signal })]);
  return [
    "Link",
    el("p", null, state(link.state), link.since && [" since ", when(link.since)], `: ${link.reason}`),
    link.cause && el("p", { class: "note" }, `${link.cause}${link.detail ? `: ${link.detail}` : ""}`),
    link.advice && el("p", null, advice(link.advice)),
    list("What holds the services", link.holds),
    evidence(link.evidence),
    ways("What would change it", link.ways),
    decisions(past.decisions),
  ];
}

async function showOutage(id, signal) {
  const number = Number(id);
  const [found, past] = await Promise.all([
    ask(`/api/outages?before=${number + 1}&limit=1`, { signal }), ask(`/api/decisions?outage=${number}&limit=${DECISIONS}`, { signal }),
  ]);
  const outage = found.outages.find((one) => one.id === number);
  if (!outage) return [`Outage ${id}`, el("p", null, `There is no outage ${id}.`)];
  const more = el("div");
  return [
    nameOf(outage),
    el("dl", { class: "facts" },
      fact("Started", when(outage.started_at)),
      outage.back_at && fact("Link back", when(outage.back_at)),
      fact("Ended", outage.ended_at ? when(outage.ended_at) : "still open"),
      fact("Lasted", outage.duration == null ? "still open" : duration(outage.duration)),
      outage.monitoring_gap >= 1 && fact("Monitoring gap", `${duration(outage.monitoring_gap)}, not counted`),
      fact("Cause", outage.cause, outage.detail && `: ${outage.detail}`),
      fact("Relapses", relapses(outage)),
      fact("Restarts", String(outage.restarts)),
      fact("Result", resultOf(outage))),
    outage.advice && el("p", { class: "note" }, outage.advice),
    el("div", null, decisions(past.decisions)),
    past.note && el("p", { class: "muted" }, past.note),
    past.next && more,
    past.next && older(number, past.next, more),
  ];
}

function older(outage, next, box) {
  const button = el("button", {
    type: "button",
    onclick: async () => {
      button.disabled = true;
      try {
        const past = await ask(`/api/decisions?outage=${outage}&limit=${DECISIONS}&before=${next}`);
        box.append(...[decisions(past.decisions, false)].flat());
        next = past.next;
      } catch (failure) {
        box.append(el("p", { class: "error" }, failure.message));
      }
      Object.assign(button, { disabled: false, hidden: next === null });
    },
  }, "Show earlier decisions");
  return el("p", null, button);
}

/** Recorded decisions, newest first, each with its address. */
function decisions(all, titled = true) {
  if (!all.length) return null;
  return [
    titled && el("h3", null, "Decisions, newest first"),
    el("ul", { class: "rows" }, all.map((one) => el("li", null,
      el("p", { class: "row-head small" }, when(one.at), el("a", { href: `#event/${one.seq}` }, `event ${one.seq}`)),
      one.sentences.map((sentence) => el("p", null, sentence))))),
  ];
}
