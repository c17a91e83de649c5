/*
 * plot.js - plots as SVG, each with its data as a table below it
 *
 * A plot scales with its column; it has a sentence for those who do not see it.
 */

const plotHeight = 200;

/* As wide as the page, so that letters keep their size on a narrow screen. */
function plotWidth() {
  return Math.max(300, Math.min(640, document.getElementById("main").clientWidth - 50));
}

const margin = { left: 52, right: 12, top: 10, bottom: 34 };

function figure(title, picture, data, ...more) {
  return el("figure", {},
    el("figcaption", {}, title, " ", svgButton(title, picture)), picture, more,
    data ? el("details", {}, el("summary", {}, "the numbers"), data) : null);
}

function frame(label, height, ...children) {
  return svg("svg", { viewBox: `0 0 ${plotWidth()} ${height}`, role: "img", "aria-label": label }, children);
}

/* 1, 10, 100, ... up to n. */
function decades(n) {
  const list = [];
  for (let value = 1; value <= Math.min(n, Number.MAX_VALUE); value *= 10) {
    list.push(value);
  }
  return list;
}

/* About n round values from lo to hi. */
function ticks(lo, hi, n) {
  const raw = (hi - lo) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((m) => raw <= power * m);
  const list = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + 1e-9 * step && list.length < 100; k++) {
    list.push(k * step);
  }
  return list;
}

function axisText(x, y, text, anchor = "middle") {
  return svg("text", { x, y, "text-anchor": anchor }, text);
}

/*
 * Counts, heights logarithmic (0 has none, 1 a little).
 *   series: [{name, counts: [n], kind}], drawn over one another, the first at the back
 *   x:      bin -> its left edge in plot units from 0 to 1
 *   xTicks: [[position 0 to 1, text]]
 *   marks:  [[position, text]]: lines
 */
function histogram({ title, label, series, n, x, xTicks, xLabel, marks = [], data, height = plotHeight }) {
  const most = Math.min(Number.MAX_VALUE / 2, Math.max(1, ...series.flatMap((s) => s.counts.filter(isNumber))));
  const w = plotWidth() - margin.left - margin.right, h = height - margin.top - margin.bottom;
  const px = (at) => margin.left + at * w;
  const py = (v) => margin.top + h - (v > 0 ? (h * Math.log10(v * 2)) / Math.log10(most * 2) : 0);
  const every = Math.max(1, Math.ceil(decades(most).length / 5));
  return figure(title, frame(label, height,
    decades(most).filter((_, i) => i % every === 0).map((v) => [
      svg("line", { class: "grid", x1: px(0), x2: px(1), y1: py(v), y2: py(v) }),
      axisText(px(0) - 6, py(v) + 4, count(v), "end"),
    ]),
    series.map((s) => svg("path", {
      class: `area ${s.kind}`,
      d: s.counts.map((v, i) =>
        v > 0 ? `M${px(x(i)).toFixed(1)} ${py(0)}V${py(v).toFixed(1)}H${px(x(i + 1)).toFixed(1)}V${py(0)}Z` : "").join(""),
    })),
    marks.map(([at, text]) => [
      svg("line", { class: "mark", x1: px(at), x2: px(at), y1: margin.top, y2: margin.top + h }),
      axisText(px(at) + (at > 0.8 ? -4 : 4), margin.top + 10, text, at > 0.8 ? "end" : "start"),
    ]),
    svg("line", { class: "axis", x1: px(0), x2: px(1), y1: py(0), y2: py(0) }),
    xTicks.map(([at, text]) => [
      svg("line", { class: "axis", x1: px(at), x2: px(at), y1: py(0), y2: py(0) + 4 }),
      axisText(px(at), py(0) + 16, text),
    ]),
    axisText(px(0.5), height - 3, xLabel)), data, legend(series));
}

/*
 * Lines through points [x, y] in a square from 0 to 1.
 *   series: [{name, points, kind}]; marks: [{x, y, text, kind}]
 */
function unitCurves({ title, label, series, marks, xLabel, yLabel, data, level }) {
  const height = 300, size = height - margin.top - margin.bottom;
  const px = (x) => margin.left + x * (plotWidth() - margin.left - margin.right);
  const py = (y) => margin.top + (1 - y) * size;
  return figure(title, frame(label, height,
    [0, 0.25, 0.5, 0.75, 1].map((v) => [
      svg("line", { class: "grid", x1: px(0), x2: px(1), y1: py(v), y2: py(v) }),
      axisText(px(0) - 6, py(v) + 4, v, "end"),
      axisText(px(v), py(0) + 16, v),
    ]),
    level == null ? null : svg("line", { class: "mark", x1: px(0), x2: px(1), y1: py(level), y2: py(level) }),
    series.map((s) => svg("path", {
      class: `curve ${s.kind}`,
      d: s.points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join(""),
    })),
    marks.map((m) => [
      svg("circle", { class: `point ${m.kind}`, cx: px(m.x), cy: py(m.y), r: 5 }, svg("title", {}, m.text)),
    ]),
    axisText(px(0.5), height - 3, xLabel),
    svg("text", { x: 12, y: py(0.5), "text-anchor": "middle", transform: `rotate(-90 12 ${py(0.5)})` }, yLabel)),
    data, legend(series));
}

/* Lines over steps of equal width; y from the data, with 0 in it. */
function steps({ title, label, series, names, xLabel, yLabel, data }) {
  const height = plotHeight, h = height - margin.top - margin.bottom;
  const values = series.flatMap((s) => s.values).filter(isNumber);
  const lo = Math.min(0, ...values), hi = Math.max(0, ...values);
  const px = (i) => margin.left + ((i + 0.5) / names.length) * (plotWidth() - margin.left - margin.right);
  const py = (v) => margin.top + h - ((v - lo) / (hi - lo || 1)) * h;
  return figure(title, frame(label, height,
    (hi > lo ? ticks(lo, hi, 4) : [0]).map((v) => [
      svg("line", { class: Math.abs(v) < 1e-12 ? "axis" : "grid", x1: margin.left, x2: plotWidth() - margin.right, y1: py(v), y2: py(v) }),
      axisText(margin.left - 6, py(v) + 4, general(v), "end"),
    ]),
    names.map((name, i) => axisText(px(i), height - margin.bottom + 16, name)),
    series.map((s) => [
      svg("path", {
        class: `curve ${s.kind}`,
        d: s.values.map((v, i) => (v == null ? "" : `${i && s.values[i - 1] != null ? "L" : "M"}${px(i).toFixed(1)} ${py(v).toFixed(1)}`)).join(""),
      }),
      s.values.map((v, i) => v == null ? null : svg("circle", { class: `point ${s.kind}`, cx: px(i), cy: py(v), r: 3 })),
    ]),
    axisText(px(names.length / 2 - 0.5), height - 3, `${xLabel}; ${yLabel}`)), data, legend(series));
}

function legend(series) {
  return series.length < 2 ? null : el("p", { class: "legend" },
    series.map((s) => el("span", {}, el("span", { class: `swatch ${s.kind}`, "aria-hidden": "true" }), s.name)));
}

// --- histograms of activations -----------------------------------------------------------------

/* [[bin, n], ...] as counts of all bins; what is damaged counts nothing. */
function binCounts(...lists) {
  const counts = new Array(run.bins.length).fill(0);
  for (const [bin, n] of lists.flatMap(asList).filter(Array.isArray)) {
    if (Number.isInteger(bin) && bin in counts && isNumber(n) && n > 0) {
      counts[bin] += n;
    }
  }
  return counts;
}

function binName(i) {
  const { lo, hi } = run.bins[i];
  return lo == null ? `below ${general(hi)}` : hi == null ? `${general(lo)} and more` : `${general(lo)} to ${general(hi)}`;
}

/* The bins are steps of a float's bits, so the axis is nearly logarithmic to both sides of 0. */
function activationHistogram({ title, label, series, mark }) {
  const used = run.bins.map((_, i) => i).filter((i) => series.some((s) => s.counts[i] > 0));
  if (used.length === 0) {
    return note("No activation is kept.");
  }
  const from = used[0], n = used[used.length - 1] + 1 - from;
  const at = (i) => (i - from) / n;
  const labelled = run.bins.map((b, i) => [i, b.lo]).filter(([i, lo]) => i > from && i < from + n && lo != null)
    .filter(([, lo]) => lo === 0 || Number.isInteger(Math.log2(Math.abs(lo))));
  const zero = labelled.find(([, lo]) => lo === 0)?.[0];
  const kept = [];
  for (const [i, lo] of [...labelled].sort(([i], [j]) => (i === zero ? -1 : j === zero ? 1 : j - i))) {
    if (kept.every(([k]) => (Math.abs(k - i) / n) * plotWidth() > 48)) {
      kept.push([i, lo]);
    }
  }
  const markBin = mark == null ? -1 : run.bins.findIndex((b) => b.lo != null && b.lo >= mark - 1e-12 && !(mark > 0 && b.hi === 0));
  return histogram({
    title, label, n,
    series: series.map((s) => ({ ...s, counts: s.counts.slice(from, from + n) })),
    x: (i) => i / n,
    xTicks: kept.map(([i, lo]) => [at(i), general(lo)]),
    xLabel: "activation (bins of a float's bits)",
    marks: markBin >= from && markBin <= from + n ? [[at(markBin), `threshold ${general(mark)}`]] : [],
    data: table([
      { head: "activation", show: (i) => binName(i) },
      ...series.map((s) => ({ head: s.name, number: true, show: (i) => count(s.counts[i]) })),
    ], used, { caption: `${title}: tokens by activation` }),
  });
}
