// Elements of the page. Text is always set as text: what a server or a service said is never read as HTML.
import { shapeOf, toneOf, wordOf } from "./states.js";
import { moment, utc } from "./words.js";

/** An element with attributes (`on…` a listener, `class`, `hidden` …) and children; null and false are left out. */
export function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false && child !== ""));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Put other children into an element, unless they are the same: no reader is interrupted without a reason. */
export function fill(parent, ...children) {
  const next = children.flat(Infinity).filter((child) => child != null && child !== false && child !== "");
  const made = el("div", null, ...next);
  if (made.innerHTML === parent.innerHTML) return false;
  const kept = parent.contains(document.activeElement) ? document.activeElement.id || document.activeElement.dataset.key : null;
  parent.replaceChildren(...made.childNodes);
  if (kept) (byId(kept) || parent.querySelector(`[data-key="${CSS.escape(kept)}"]`))?.focus();
  return true;
}

/** An instant in the browser's zone, with UTC in its title. `instant`: RFC 3339 or Unix seconds. */
export function when(instant, write = moment) {
  const date = typeof instant === "number" ? new Date(instant * 1000) : new Date(instant);
  return el("time", { datetime: date.toISOString(), title: utc(date) }, write(date, new Date()));
}

const PATHS = {
  check: [["circle", { cx: 12, cy: 12, r: 11 }], ["path", { class: "cut", d: "M6.5 12.5l3.8 3.8 7.2-8" }]],
  triangle: [["path", { d: "M12 1.5 23.2 21.5H.8z" }], ["path", { class: "cut", d: "M12 8.5v6M12 17.2v1.6" }]],
  cross: [["path", { d: "M7.2 1h9.6L23 7.2v9.6L16.8 23H7.2L1 16.8V7.2z" }], ["path", { class: "cut", d: "M8 8l8 8M16 8l-8 8" }]],
  arrow: [["circle", { cx: 12, cy: 12, r: 11 }], ["path", { class: "cut", d: "M16.9 9.2A5.7 5.7 0 1 0 17.6 13M17.4 5.4v4h-4" }]],
  hands: [["circle", { cx: 12, cy: 12, r: 11 }], ["path", { class: "cut", d: "M12 5.8V12l4.2 2.8" }]],
  diamond: [["path", { d: "M12 .6 23.4 12 12 23.4.6 12z" }], ["path", { class: "cut", d: "M9.6 9.7a2.5 2.5 0 1 1 3.6 2.2c-.9.5-1.2.9-1.2 1.8M12 16.2v1.3" }]],
};
const SVG = "http://www.w3.org/2000/svg";

/** A drawing of SVG elements, which readers of the page pass over: a word always stands beside it. */
export function drawing(box, parts) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", box);
  svg.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of parts) {
    const part = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
    svg.append(part);
  }
  return svg;
}

export const shape = (state) => drawing("0 0 24 24", PATHS[shapeOf(state)] || PATHS.diamond);

/** The icon of the tab: the shape in its colour. */
export function icon(state, color) {
  const svg = shape(state);
  svg.setAttribute("xmlns", SVG);
  svg.setAttribute("fill", color);
  for (const cut of svg.querySelectorAll(".cut")) {
    for (const [name, value] of [["fill", "none"], ["stroke", "white"], ["stroke-width", "2.6"]]) cut.setAttribute(name, value);
  }
  return `data:image/svg+xml,${encodeURIComponent(svg.outerHTML)}`;
}

/** A state as word, shape and colour. */
export function state(name) {
  return el("span", { class: `word tone-${toneOf(name)}` }, el("span", { class: "shape" }, shape(name)), wordOf(name));
}

/** A table; `head` are its columns, a name that starts with `#` is of numbers. `cards`: one card a row on a phone. */
export function table(head, rows, { cards = false, caption = "" } = {}) {
  const names = head.map((name) => name.replace("#", ""));
  const kind = (index) => (head[index].startsWith("#") ? "number" : null);
  return el("table", { class: cards ? "cards" : null },
    caption && el("caption", { class: "hide" }, caption),
    el("thead", null, el("tr", null, names.map((name, index) => el("th", { scope: "col", class: kind(index) }, name)))),
    el("tbody", null, rows.map((row) => el("tr", null, row.map((cell, index) =>
      el("td", { class: kind(index), "data-head": cards ? names[index] : null }, cell))))));
}

/** A sentence of advice: what stands before the colon is a command that can be copied. */
export function advice(sentence) {
  const parts = /^(connmon-agent [^:]+): (.*)$/s.exec(sentence);
  if (!parts) return sentence;
  const copy = el("button", { type: "button", "aria-label": `Copy: ${parts[1]}`, "data-key": `copy ${parts[1]}` }, "Copy");
  copy.dataset.copy = parts[1];
  return [el("span", { class: "command" }, el("code", null, parts[1]), navigator.clipboard && copy), " ", parts[2]];
}
