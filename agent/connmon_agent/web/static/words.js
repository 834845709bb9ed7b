// Words for people: times, durations and counts, written as the command line writes them.

const two = (number) => String(number).padStart(2, "0");

/** A duration: `0.5 s`, `12 s`, `3 min 12 s`, `3 h 5 min`, `2 d 4 h`. */
export function duration(seconds) {
  if (seconds < 59.95) return `${Number(Math.max(0, seconds).toPrecision(3))} s`;
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 10 && rest) return `${minutes} min ${rest} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** An age: whole seconds. */
export const age = (seconds) => duration(Math.max(0, Math.round(seconds)));

/** The day in the browser's time zone: `2026-11-23`. */
export const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

/** The time of day: `10:00:12`. */
export const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** `10:00`. */
export const minute = (date) => `${two(date.getHours())}:${two(date.getMinutes())}`;

/** Time, and the day where that is not today: `10:00:12`, `2026-11-23 10:00:12`. */
export const moment = (date, today) => (today && day(date) === day(today) ? clock(date) : `${day(date)} ${clock(date)}`);

/** `2026-11-23 09:00:12 UTC`. */
export const utc = (date) => `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** `1 restart`, `3 restarts`, `10,000 outages`. */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Of a share: `2 %`, `0.4 %`. */
export function percent(share) {
  const value = share * 100;
  return `${value > 0 && value < 10 ? Number(value.toPrecision(2)) : Math.round(value)} %`;
}

/** `12 ms`, `8.4 ms`. */
export const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** `812 B`, `1.2 MB`. */
export function bytes(number) {
  let [amount, unit] = [number, "B"];
  for (const next of ["kB", "MB", "GB", "TB"]) {
    if (amount < 999.5) break;
    [amount, unit] = [amount / 1000, next];
  }
  return `${Number(amount.toPrecision(3))} ${unit}`;
}

/** The browser's time zone: `Europe/Berlin (UTC+01:00)`. */
export function zone(date) {
  const offset = -date.getTimezoneOffset();
  const size = `${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  return name === "UTC" ? "UTC" : `${name} (UTC${offset < 0 ? "-" : "+"}${size})`;
}

/** A sentence in which no line ends between a number and its unit. */
export const kept = (text) => (text || "").replace(/(\d) (?=(?:ms|s|min|h|d|%)(?![a-z]))/g, "$1\u00a0");
