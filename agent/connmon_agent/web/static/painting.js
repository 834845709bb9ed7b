// Draws the tracks of the timeline on one canvas. All of a year is drawn in one go; nothing of it is an element.
import { levelOf, toneOf } from "./states.js";

const LEAST = 1; // pixels that an interval is wide at least, so that no outage vanishes
const LEAST_SHARE = 3; // pixels that a part of the time is high at least

/** The size of small text in pixels, which follows that of the page. */
export const small = () => 0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Colours as the style sheet has them now: a canvas knows none of its own. */
export function palette(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const tones = Object.fromEntries(["good", "unsure", "bad", "busy"].map((tone) => [tone, read(`${tone}-fill`)]));
  return {
    tones: { ...tones, unknown: read("unknown") },
    text: read("text"), muted: read("muted"), line: read("line"), card: read("card"), sunk: read("sunk"),
    gap: read("gap-fill"), hatch: read("gap-line"), median: read("median"), p95: read("p95"), loss: read("loss"),
    font: `${small()}px ${style.fontFamily}`,
  };
}

/** What a monitoring gap is filled with: lines, so that it looks like no state in any colour. */
export function hatching(context, colors) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const brush = tile.getContext("2d");
  brush.fillStyle = colors.gap;
  brush.fillRect(0, 0, 8, 8);
  brush.strokeStyle = colors.hatch;
  brush.lineWidth = 1.5;
  for (const offset of [-8, 0, 8]) {
    brush.beginPath();
    brush.moveTo(offset - 1, 9);
    brush.lineTo(offset + 9, -1);
    brush.stroke();
  }
  return context.createPattern(tile, "repeat");
}

/** The height of the axis below the tracks. */
export const axis = () => 2 * small();

/** A canvas of so many pixels of the page, sharp on every screen. */
export function prepare(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Draw `rows` ({track, ports, top, height}) over the window; `data` is what the server answered. */
export function paint(canvas, { data, window, rows, width, height, colors, ticks }) {
  const context = prepare(canvas, width, height);
  const scale = width / (window.until - window.since);
  const sight = { context, colors, width, bucket: data.bucket * scale, x: (second) => (data.since + second - window.since) * scale, hatch: hatching(context, colors) };
  drawGrid(sight, ticks, height);
  for (const row of rows) {
    if (row.marks) drawMarks(sight, row);
    else drawTrack(sight, row);
    if (row.ports) drawPorts(sight, row);
  }
}

function drawGrid({ context, colors, width }, ticks, height) {
  context.font = colors.font;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (const { x, text, strong } of ticks) {
    context.fillStyle = colors.line;
    context.fillRect(Math.round(x), 0, 1, height - axis() + 4);
    context.fillStyle = strong ? colors.text : colors.muted;
    const half = context.measureText(text).width / 2;
    if (text && x - half >= 0 && x + half <= width) context.fillText(text, x, height - 6);
  }
}

function drawTrack(sight, { track, top, height }) {
  const states = track.states;
  for (const [start, end, code, , changes, share, gap] of track.spans) {
    const [left, right] = edges(sight, start, end);
    if (right < 0 || left > sight.width) continue;
    const name = states[code];
    if (changes === undefined) drawStay(sight, name, left, right, top, height);
    else drawMerged(sight, { name, share, gap, rest: track.kind === "link" ? "ONLINE" : "READY" }, left, right, top, height);
  }
}

function edges({ x, width }, start, end) {
  const left = Math.round(Math.max(-1, x(start))); // on whole pixels, or neighbours show a seam
  return [left, Math.min(width + 1, Math.max(Math.round(x(end)), left + LEAST))];
}

function drawStay(sight, name, left, right, top, height) {
  const { context, colors, hatch } = sight;
  if (name === "NO_RECORD") return;
  const gap = name === "GAP";
  const high = Math.max(2, Math.round(height * levelOf(name)));
  context.fillStyle = gap ? hatch : colors.tones[toneOf(name)];
  context.fillRect(left, top + height - high, right - left, high);
  if (!gap) return;
  context.fillStyle = colors.hatch;
  context.fillRect(left, top, right - left, 1);
  context.fillRect(left, top + height - 1, right - left, 1);
}

/** Several stays in one: the share of the worst one hangs from the top, that of the gap stands hatched below. */
function drawMerged(sight, { name, share, gap, rest }, left, right, top, height) {
  const { context, colors, hatch } = sight;
  const wide = right - left;
  if (share + gap < 1 && name !== "NO_RECORD") drawStay(sight, rest, left, right, top, height);
  if (gap > 0) {
    const high = Math.max(LEAST_SHARE, Math.round(height * gap));
    context.fillStyle = hatch;
    context.fillRect(left, top + height - high, wide, high);
  }
  if (name === "GAP" || name === "NO_RECORD" || levelOf(name) <= levelOf(rest)) return;
  const high = Math.max(LEAST_SHARE, Math.round(height * share));
  context.fillStyle = colors.tones[toneOf(name)];
  context.fillRect(left, top, wide, high);
}

/** Of a port a thin line: whole where it is open, in pieces where it is not. */
function drawPorts(sight, { ports, top, height }) {
  const { context, colors } = sight;
  const y = top + height + 3;
  for (const [start, end, code] of ports.spans) {
    const [left, right] = edges(sight, start, end);
    const name = ports.states[code];
    if (right < 0 || left > sight.width || name === "NO_RECORD" || name === "GAP") continue;
    context.fillStyle = name === "OPEN" ? colors.muted : colors.tones[toneOf(name)];
    if (name === "OPEN") context.fillRect(left, y, right - left, 2);
    else for (let at = left; at < right; at += 5) context.fillRect(at, y, Math.min(3, right - at), 2);
  }
}

/** Restarts: a triangle each, its number beside it where there are several. A hollow one was refused or is unknown. */
function drawMarks(sight, { marks, top, height }) {
  const { context, colors, x, width } = sight;
  const size = Math.min(12, height - 4);
  if (marks.length > width / 16) {
    drawBars(sight, { marks, top, height });
    return;
  }
  let free = -Infinity; // where the next number may stand
  for (const [start, end, number, bad] of marks) {
    const at = x((start + end) / 2);
    if (at < -size || at > width + size) continue;
    const [middle, low] = [at, top + height / 2 + size / 2];
    context.beginPath();
    context.moveTo(middle, low - size);
    context.lineTo(middle + size / 2, low);
    context.lineTo(middle - size / 2, low);
    context.closePath();
    context.fillStyle = context.strokeStyle = bad ? colors.tones.bad : colors.tones.busy;
    context.lineWidth = 1.5;
    if (bad) context.stroke();
    else context.fill();
    if (number < 2) continue;
    context.textAlign = "left";
    context.fillStyle = colors.text;
    const text = String(number);
    const left = middle + size / 2 + 3;
    if (left > free && left + context.measureText(text).width < width) {
      context.fillText(text, left, low);
      free = left + context.measureText(text).width + 4;
    }
  }
}

/** Many restarts: a bar a bucket, ten times as many half as high again; what was refused or is unknown at its top. */
function drawBars({ context, colors, x, bucket }, { marks, top, height }) {
  for (const [start, end, number, bad] of marks) {
    const left = Math.round(x(start));
    const wide = Math.max(1, Math.ceil(bucket), Math.round(x(end)) - left);
    const high = Math.round(height * Math.min(1, 0.3 + Math.log10(number) / 3));
    context.fillStyle = colors.tones.busy;
    context.fillRect(left, top + height - high, wide, high);
    if (!bad) continue;
    context.fillStyle = colors.tones.bad;
    context.fillRect(left, top + height - high, wide, Math.max(2, (high * bad) / number));
  }
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
const DAYS = [1, 2, 7, 14];
const MONTHS = [1, 2, 3, 6, 12, 24, 60];
const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (number) => String(number).padStart(2, "0");

/** The marks of the axis: at whole units of the browser's time zone, at least `apart` pixels from one to the next. */
export function axisTicks(window, width, apart = 76) {
  const least = ((window.until - window.since) / width) * apart;
  const place = (date) => ((date / 1000 - window.since) / (window.until - window.since)) * width;
  const made = [];
  for (const [date, text, strong] of walk(window, least)) made.push({ x: place(date), at: date / 1000, text, strong });
  return made;
}

function* walk({ since, until }, least) {
  const date = new Date(since * 1000);
  const step = STEPS.find((seconds) => seconds >= least);
  if (step) {
    date.setHours(0, 0, 0, 0);
    const midnight = date.getTime();
    date.setTime(midnight + Math.floor((since * 1000 - midnight) / (step * 1000)) * step * 1000);
    for (; date < until * 1000; date.setTime(date.getTime() + step * 1000)) {
      const first = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
      const seconds = step < 60 ? `:${two(date.getSeconds())}` : "";
      const text = first ? `${NAMES[date.getMonth()]} ${date.getDate()}` : `${two(date.getHours())}:${two(date.getMinutes())}${seconds}`;
      yield [date.getTime(), text, first];
    }
    return;
  }
  date.setHours(0, 0, 0, 0);
  const days = DAYS.find((number) => number * 86400 >= least);
  if (days) {
    if (days >= 7) date.setDate(date.getDate() - ((date.getDay() + 6) % 7)); // weeks begin on Monday
    else date.setDate(1);
    for (; date < until * 1000; date.setDate(date.getDate() + days)) {
      yield [date.getTime(), `${NAMES[date.getMonth()]} ${date.getDate()}`, date.getDate() === 1];
    }
    return;
  }
  const months = MONTHS.find((number) => number * 28 * 86400 >= least) || 120;
  date.setMonth(0, 1);
  for (; date < until * 1000; date.setMonth(date.getMonth() + months)) {
    const first = date.getMonth() === 0;
    yield [date.getTime(), first ? String(date.getFullYear()) : NAMES[date.getMonth()], first];
  }
}
