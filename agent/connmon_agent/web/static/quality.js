// The chart of latency and loss over the timeline's period, drawn by uPlot, and the table behind it.
import { byId, el, fill, table, when } from "./elements.js";
import { axis, axisTicks, hatching, palette, small } from "./painting.js";
import { milliseconds, moment, percent } from "./words.js";

const HEIGHT = 16; // lines of small text
const RIGHT = 4; // such lines: the width of the axis of loss; the timeline leaves as much free

export class Quality {
  constructor() {
    this.box = byId("quality");
    this.table = byId("quality-table");
    this.table.addEventListener("toggle", () => this.#list());
    new ResizeObserver(() => this.chart?.setSize({ width: this.box.clientWidth, height: HEIGHT * small() })).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
  }

  /** Show an answer of the timeline; without one (null) the same over another window, until the answer comes. */
  show(answer, window) {
    this.window = window;
    if (answer) {
      const points = answer.tracks.find((track) => track.kind === "quality")?.points || [];
      this.points = points.map(([middle, ...rest]) => [answer.since + middle, ...rest]);
      this.gaps = gapsOf(answer);
      this.#list();
    }
    if (!this.points) return;
    if (!this.chart) this.#rebuild();
    else if (answer) this.chart.setData(this.#columns(), false);
    this.chart.setScale("x", { min: window.since, max: window.until });
    this.#read(null);
  }

  /** In a monitoring gap the line is broken. */
  #columns() {
    const columns = [[], [], [], []];
    const add = (...values) => values.forEach((value, index) => columns[index].push(value));
    const gaps = [...this.gaps];
    for (const [at, loss, median, p95] of this.points) {
      while (gaps.length && gaps[0][1] <= at) {
        const [start] = gaps.shift();
        if (columns[0].length && start > columns[0].at(-1)) add(start, null, null, null);
      }
      add(at, median, p95, loss);
    }
    return columns;
  }

  #rebuild() {
    if (!this.points) return;
    this.chart?.destroy();
    const colors = palette(this.box);
    const line = (stroke, width) => ({ stroke, width, points: { show: false }, scale: "ms", spanGaps: false });
    const look = { stroke: colors.muted, grid: { stroke: colors.line, width: 1 }, ticks: { show: false }, font: colors.font };
    const options = {
      width: this.box.clientWidth, height: HEIGHT * small(), legend: { show: false }, padding: [8, 0, 0, 0],
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: { x: { time: true, auto: false }, ms: { range: (_, __, most) => [0, Math.max(10, (most || 0) * 1.1)] }, loss: { range: [0, 1] } },
      series: [{}, line(colors.median, 2), line(colors.p95, 1), { scale: "loss", stroke: colors.loss, fill: colors.loss, width: 0, points: { show: false }, paths: bars() }],
      bands: [{ series: [2, 1], fill: `${colors.p95}30` }],
      axes: [
        { ...look, size: axis() + 4, splits: (chart) => this.#ticks(chart).map(({ at }) => at), values: (chart, at) => this.#ticks(chart).filter((tick) => at.includes(tick.at)).map(({ text }) => text) },
        { ...look, scale: "ms", size: () => this.#left(), values: (_, values) => values.map((value) => `${value} ms`) },
        { ...look, scale: "loss", side: 1, size: RIGHT * small(), grid: { show: false }, splits: () => [0, 0.5, 1], values: () => ["0 %", "50 %", "100 %"] },
      ],
      hooks: { drawClear: [(chart) => this.#hatch(chart)], setCursor: [(chart) => this.#read(chart.cursor.idx)] },
    };
    this.chart = new uPlot(options, this.#columns(), this.box);
    this.chart.root.setAttribute("aria-hidden", "true"); // the table has the same content
    this.chart.setScale("x", { min: this.window.since, max: this.window.until });
  }

  /** Where the chart begins: below the timeline's tracks, where their names stand beside them. */
  #left() {
    const sight = byId("sight");
    return matchMedia("(min-width: 62rem)").matches ? sight.offsetLeft : 4.8 * small();
  }

  /** Mark an instant, which is pointed at in the timeline; null: none. */
  point(second) {
    const left = second === null || !this.chart ? -10 : this.chart.valToPos(second, "x");
    this.chart?.setCursor({ left, top: left < 0 ? -10 : 0 });
  }

  #ticks(chart) {
    const width = Math.max(100, this.box.clientWidth - this.#left() - RIGHT * small());
    const { min, max } = chart.scales.x;
    return axisTicks({ since: min, until: max }, width, 7 * small()).filter(({ at }) => at >= min && at <= max);
  }

  #hatch(chart) {
    const { ctx, bbox } = chart;
    const { min, max } = chart.scales.x;
    ctx.save();
    ctx.fillStyle = hatching(ctx, palette(this.box));
    for (const [start, end] of this.gaps) {
      const [left, right] = [Math.max(start, min), Math.min(end, max)].map((at) => bbox.left + ((at - min) / (max - min)) * bbox.width);
      if (right > left) ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
    }
    ctx.restore();
  }

  #read(index) {
    const line = byId("quality-readout");
    const [at, median, p95, loss] = index == null || !this.chart ? [] : this.chart.data.map((column) => column[index]);
    if (at !== undefined && (median != null || loss != null)) {
      line.textContent = [moment(new Date(at * 1000), new Date()), ...tell(loss, median, p95)].join(", ");
      return;
    }
    fill(line, ...["median", "p95", "loss"].map((name) => el("span", { class: `key ${name}` }, name)));
  }

  #list() {
    if (!this.table.open || !this.points) return;
    const rows = [...this.points].reverse().map(([at, loss, median, p95]) => [
      when(at), loss == null ? "-" : percent(loss), median == null ? "-" : milliseconds(median), p95 == null ? "-" : milliseconds(p95),
    ]);
    fill(this.table.lastElementChild, table(["Around", "#Loss", "#Median", "#p95"], rows, { caption: "Latency and loss" }));
  }
}

const bars = () => uPlot.paths.bars({ size: [1, 24, 2], gap: 0, align: 0 });

/** `loss 2 %`, `median 4 ms`, `p95 54 ms`: what is known of it. */
const tell = (loss, median, p95) => [
  loss != null && `loss ${percent(loss)}`, median != null && `median ${milliseconds(median)}`, p95 != null && `p95 ${milliseconds(p95)}`,
].filter(Boolean);

/** The monitoring gaps of the link that are longer than a bucket, each from and until in Unix seconds. */
function gapsOf(answer) {
  const link = answer.tracks.find((track) => track.kind === "link");
  const code = link.states.indexOf("GAP");
  return link.spans.filter((span) => span[2] === code && (span[4] === undefined || span[6] > 0.5)).map(([start, end]) => [answer.since + start, answer.since + end]);
}
