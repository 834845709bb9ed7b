// The page: one glance says the state, since when, why, and what to do. Everything shown comes from the server.
import { advice, byId, el, fill, icon, shape, state, when } from "./elements.js";
import { Sheet } from "./dialogs.js";
import { Orders, toast } from "./orders.js";
import { Outages, showOutage } from "./outages.js";
import { palette } from "./painting.js";
import { Quality } from "./quality.js";
import { Live } from "./server.js";
import { toneOf } from "./states.js";
import { Timeline } from "./timeline.js";
import { age, bytes, clock, count, kept, milliseconds, percent, zone } from "./words.js";

const DEAD = new Set(["stopped", "dead", "silent"]);
let shown = null; // the newest document of the state
let skew = 0; // milliseconds that the server's clock is ahead of this one
let trouble = null; // why the state file cannot be read at the moment

const now = () => (Date.now() + skew) / 1000;
const secondsSince = (instant) => now() - Date.parse(instant) / 1000;

const live = new Live(hear);
const sheet = new Sheet();
const orders = new Orders();
const outages = new Outages(fail);
const quality = new Quality();
const timeline = new Timeline({
  now, failed: fail, seen: (answer, window) => quality.show(answer, window), pointed: (second) => quality.point(second),
});

function hear(name, data) {
  if (data?.now) skew = Date.parse(data.now) - Date.now();
  if (name === "state") showState(data);
  if (name === "pulse" && shown) showPulse(data);
  if (name === "decision") timeline.stale();
  if (name === "reset") reload();
  if (name === "trouble") trouble = data;
  tick();
}

function reload() {
  outages.load();
  timeline.load();
}

function fail(failure) {
  toast([failure.message, failure.hint].filter(Boolean).join(" "));
}

function showState(document) {
  const before = shown;
  shown = document;
  trouble = null;
  if (before?.outage?.id !== document.outage?.id || before?.outage?.ended_at !== document.outage?.ended_at || !before) outages.load();
  byId("site").textContent = document.site?.host || "";
  showServices(document);
  showProbes(document.link);
  orders.show(document);
  fill(byId("badges"),
    document.file?.kind === "copy" && el("span", { class: "badge", title: document.file.text }, "copy"),
    document.file?.read_only && el("span", { class: "badge", title: document.file.text || "The state file cannot be written here." }, "read-only"),
    document.agent?.paused && el("span", { class: "badge" }, "paused"));
  byId("agent").textContent = document.watch?.text || "";
  byId("store").textContent = `State file: ${count(document.store?.events || 0, "event")}, ${bytes(document.store?.bytes || 0)}, ${document.store?.path || ""}`;
  byId("zone").textContent = `Times are in your time zone, ${zone(new Date())}. Point at one to see it in UTC.`;
  if (before && before.watch?.state !== document.watch?.state) timeline.stale();
}

function showPulse(pulse) {
  Object.assign(shown.link, { loss: pulse.loss, latency_ms: pulse.latency_ms, quality: pulse.quality, probes: pulse.probes });
  if (shown.agent) shown.agent.heartbeat_at = pulse.heartbeat_at;
  showProbes(shown.link);
}

// The verdict. It is UNKNOWN as soon as the page itself does not know.

function verdict() {
  const { headline, watch, link } = shown;
  const last = headline.word === "UNKNOWN" && !link.since ? "" : link.state;
  if (live.lost) {
    return { word: "UNKNOWN", why: `The connection to the page is lost. Last state, ${age(live.silence ?? 0)} ago: ${headline.word}.`, todo: ["Check the network between this browser and the agent's machine, and that `connmon-agent web` runs."] };
  }
  if (DEAD.has(watch?.state) && watch.since && last) {
    const words = watch.state === "silent" ? "The agent does not respond" : "No agent is running";
    return { ...headline, why: `${words}. Last state, ${age(secondsSince(watch.since))} ago: ${last}.` };
  }
  return headline;
}

function showVerdict() {
  const said = verdict();
  const tone = toneOf(said.word) === "unknown" && said.tone === "bad" ? "unknown" : toneOf(said.word);
  byId("state").className = `card state tone-${tone}`;
  if (byId("word").textContent !== said.word) {
    byId("word").textContent = said.word;
    fill(byId("shape"), shape(said.word));
    document.title = `${said.word} · ${shown.site?.host || "connmon-agent"}`;
    byId("icon").href = icon(said.word, palette(byId("state")).tones[tone]);
  }
  const since = said.since && [`for ${age(secondsSince(said.since))}, since `, when(said.since)];
  fill(byId("since"), since || "");
  byId("why").hidden = !shown.seq;
  byId("reason").textContent = kept(said.why);
  fill(byId("notes"),
    trouble && el("p", { class: "note tone-bad" }, [trouble.message, trouble.hint].filter(Boolean).join(" ")),
    said.cause && el("p", { class: "note" }, kept(said.cause)),
    shown.file?.text && el("p", { class: "note" }, shown.file.text),
    (said.notes || []).map((note) => el("p", { class: "note" }, note)));
  byId("todo").hidden = !said.todo?.length;
  fill(byId("advice"), (said.todo || []).map((sentence) => el("li", null, advice(sentence))));
}

function showServices({ services, watch }) {
  const ready = services.filter((service) => service.state === "READY").length;
  const known = watch?.state === "live" ? "" : " (last known)";
  byId("services").classList.toggle("stale", known !== "");
  byId("services-title").textContent = services.length ? `Services${known}, ${ready} of ${services.length} ready` : "Services";
  fill(byId("services"), services.length ? services.map(serviceRow) : el("li", { class: "muted" }, "No services configured; only the link is monitored."));
}

function serviceRow({ name, state: current, reason, attempts, max_attempts: limit, next_at: next, forward }) {
  const what = current === "BACKOFF" ? "retry" : "next check";
  return el("li", null,
    el("p", { class: "row-head" }, el("a", { href: `#service/${encodeURIComponent(name)}`, "data-key": `service ${name}` }, name), state(current)),
    el("p", { class: "row-more" }, el("span", null, next && [`${what} at `, when(next), ": "], reason)),
    el("p", { class: "row-more" },
      el("span", null, limit <= 10 && el("span", { class: "pips", "aria-hidden": "true" }, Array.from({ length: limit }, (_, index) => el("i", { class: index < attempts ? "used" : null }))),
        `${attempts}/${limit} restarts used`),
      port(forward)));
}

/** The local port with its link; without one the reason. */
function port(forward) {
  if (!forward) return null;
  if (!forward.url) return el("span", null, shown.agent?.running ? `port ${forward.primary}: ${forward.reason || forward.state}` : "no local port");
  const address = el("a", { href: forward.url, rel: "noreferrer", target: "_blank", title: forward.reason }, `${forward.open ? "" : `${forward.state} `}port ${forward.port}`);
  return el("span", null, address, forward.port !== forward.primary && ` (${forward.primary} is in use)`);
}

function showProbes({ probes, loss, latency_ms: latency, quality: measured }) {
  fill(byId("probes"), (probes || []).length ? probes.map(probeRow) : el("li", { class: "muted" }, "No round of probes yet."));
  const figures = { Loss: measured?.loss ?? loss, Median: measured?.median_ms ?? latency, p95: measured?.p95_ms };
  const known = shown.watch?.state === "live" && shown.link.state !== "OFFLINE" ? Object.entries(figures).filter(([, value]) => value != null) : [];
  fill(byId("figures"), known.map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, name === "Loss" ? percent(value) : milliseconds(value)))));
}

const probeRow = ({ name, ok, latency_ms: latency, reason, proxy }) => el("li", { class: "row-head" },
  el("span", null, name),
  el("span", { class: `mark ${ok ? "ok" : "failed"}` }, ok ? `ok${latency == null ? "" : `, ${milliseconds(latency)}`}${proxy ? ` via proxy ${proxy}` : ""}` : `FAILED: ${reason || "no answer"}`));

function showConnection() {
  const badge = byId("connection");
  const lost = live.lost;
  const text = lost ? "connection to the page lost" : live.heard === null ? "connecting" : shown?.watch?.state === "live" ? "live" : "connected";
  badge.className = `badge ${lost ? "lost" : live.heard === null ? "" : "live"}`;
  if (badge.textContent !== text) badge.textContent = text;
  badge.title = live.heard === null ? "" : `Newest news: ${clock(new Date(Date.now() - live.silence * 1000))}`;
}

function tick() {
  showConnection();
  if (!shown) return;
  showVerdict();
  showOutage(shown, Math.min(now(), shown.watch?.state === "live" || !shown.watch?.since ? now() : Date.parse(shown.watch.since) / 1000));
}

document.addEventListener("click", async (event) => {
  const text = event.target.closest("[data-copy]")?.dataset.copy;
  if (!text) return;
  await navigator.clipboard.writeText(text);
  toast(`Copied: ${text}`);
});
document.addEventListener("visibilitychange", () => !document.hidden && timeline.stale());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => timeline.draw());

setInterval(() => !document.hidden && tick(), 1000);
live.start();
sheet.route();
