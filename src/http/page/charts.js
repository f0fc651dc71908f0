
// Charts: five of the same time beside each other, one cursor through all of them.

const HEIGHT = 150;
const EDGE = { left: 44, right: 10, top: 8, bottom: 20 };
const charts = [];
const past = { hour: null, week: null };
let range = "hour";
// What the cursor is at: the time of a row, or nothing.
let cursor = null;

// The least round number that is not below.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 4)));
  for (const step of [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10]) if (step * power >= value && (step * power) % 4 === 0) return step * power;
  return 10 * power;
}

function compact(value) {
  if (value >= 1e6) return +(value / 1e6).toFixed(1) + "M";
  if (value >= 1e4) return +(value / 1e3).toFixed(1) + "k";
  return numbers.format(value);
}

// Runs of rows without a gap between them.
function runs(rows, cell, step) {
  const found = [];
  let run = null, last = null;
  for (const row of rows) {
    if (row[cell] === null) { run = null; continue; }
    if (!run || row[0] - last > 1.75 * step) found.push((run = []));
    run.push(row);
    last = row[0];
  }
  return found;
}

function path(points) {
  // A run of one point is a dot: a line of no length with round ends.
  const all = points.length === 1 ? [points[0], points[0]] : points;
  return all.map(([x, y], i) => (i ? "L" : "M") + x.toFixed(2) + " " + y.toFixed(2)).join("");
}

function makeChart([key, label], index) {
  const card = make("figure", "card chart");
  const head = make("div", "chart-head");
  const at = make("span", "at");
  head.append(make("h3", "", label), at);
  const plot = make("div", "plot");
  plot.id = "plot-" + key;
  plot.tabIndex = 0;
  for (const [name, value] of [["role", "slider"], ["aria-orientation", "horizontal"], ["aria-valuemin", 0]]) plot.setAttribute(name, value);
  const svg = draw("svg", { "aria-hidden": "true", focusable: "false" });
  const layers = {};
  for (const layer of ["gaps", "grid", "band", "line", "marks"]) svg.append((layers[layer] = draw("g", {})));
  const cross = draw("line", { class: "cross", visibility: "hidden" });
  const point = draw("circle", { class: "point", r: 4, visibility: "hidden" });
  svg.append(cross, point);
  plot.append(svg);
  const sum = make("figcaption", "sum");
  card.append(head, plot, sum);
  $("charts").append(card);
  const chart = { key, label, cell: index + 1, at, plot, svg, layers, cross, point, sum, scale: null };
  plot.addEventListener("pointermove", (event) => point_at(chart, event));
  plot.addEventListener("pointerdown", (event) => point_at(chart, event));
  plot.addEventListener("pointerleave", () => move(null));
  plot.addEventListener("blur", () => move(null));
  plot.addEventListener("focus", () => { if (cursor === null && plot.matches(":focus-visible")) move(rows().length - 1); });
  plot.addEventListener("keydown", (event) => {
    const last = rows().length - 1, from = cursorRow() ?? last;
    const to = { ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1, PageUp: from + 10, PageDown: from - 10, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    move(to === null ? null : Math.min(last, Math.max(0, to)));
  });
  new ResizeObserver(() => drawChart(chart)).observe(plot);
  charts.push(chart);
}

const rows = () => (past[range] ? past[range].rows : []);

// The row that is the nearest to a time.
function nearest(time) {
  const all = rows();
  let best = 0;
  for (let i = 1; i < all.length; i++) if (Math.abs(all[i][0] - time) <= Math.abs(all[best][0] - time)) best = i;
  return best;
}

// The row that the cursor is at; nothing where it is at none, or that is too long ago by now.
function cursorRow() {
  const all = rows();
  if (cursor === null || !all.length || cursor < all[0][0]) return null;
  return nearest(cursor);
}

function point_at(chart, event) {
  const scale = chart.scale;
  if (!scale || !rows().length) return;
  const box = chart.svg.getBoundingClientRect();
  move(nearest(scale.from + ((event.clientX - box.left - EDGE.left) / scale.width) * (scale.to - scale.from)));
}

function inWords(value) {
  if (value === null) return "nothing counted";
  return Array.isArray(value) ? count(value[1]) + " (" + count(value[0]) + " to " + count(value[2]) + ")" : count(value);
}

function spoken(chart, row) {
  const when = moment(row[0] * 1000, range === "hour" ? clock : minutes);
  const value = row[chart.cell];
  if (value === null) return when + ": nothing counted";
  const missing = row[past[range].columns.indexOf("missing")];
  return when + ": " + (Array.isArray(value) ? count(value[1]) + " on average, " + count(value[0]) + " to " + count(value[2]) : sockets(value)) + (missing ? ", " + count(missing) + " not counted" : "");
}

function move(to) {
  const row = to === null ? undefined : rows()[to];
  cursor = row ? row[0] : null;
  for (const chart of charts) mark(chart);
}

// The cursor and what it is at.
function mark(chart) {
  const { scale, cross, point, plot, at } = chart;
  const all = rows();
  const index = cursorRow();
  const row = index === null ? undefined : all[index];
  const told = row || all[all.length - 1];
  if (!scale || !told) {
    for (const name of ["aria-valuenow", "aria-valuemax"]) attribute(plot, name, 0);
    attribute(plot, "aria-valuetext", "nothing counted yet");
    cross.setAttribute("visibility", "hidden");
    point.setAttribute("visibility", "hidden");
    set(at, "");
    return;
  }
  attribute(plot, "aria-valuemax", all.length - 1);
  attribute(plot, "aria-valuenow", row ? index : all.length - 1);
  attribute(plot, "aria-valuetext", spoken(chart, told));
  name(at, row ? "at on" : "at");
  const value = told[chart.cell];
  set(at, row ? moment(row[0] * 1000, range === "hour" ? clock : minutes) + " · " + inWords(value) : "");
  cross.setAttribute("visibility", row ? "visible" : "hidden");
  point.setAttribute("visibility", row && value !== null ? "visible" : "hidden");
  if (!row) return;
  const x = scale.x(row[0]);
  for (const [key, to] of [["x1", x], ["x2", x], ["y1", EDGE.top], ["y2", HEIGHT - EDGE.bottom]]) cross.setAttribute(key, to);
  if (value === null) return;
  point.setAttribute("cx", x);
  point.setAttribute("cy", scale.y(Array.isArray(value) ? value[1] : value));
}

// About five moments to name, at round times of this browser's clock.
function ticks(from, to) {
  const found = [];
  const step = [60, 120, 300, 600, 900, 3600, 7200, 14400, 28800, 43200].find((step) => (to - from) / step <= 6) || 86400;
  const at = new Date(from * 1000);
  at.setHours(0, 0, 0, 0);
  // A day may have an hour more or less, so days are counted and not added up.
  const next = () => (step === 86400 ? at.setDate(at.getDate() + 1) : at.setTime(at.getTime() + step * 1000));
  for (; at <= to * 1000; next()) if (at >= from * 1000) found.push([at / 1000, step === 86400 ? weekday.format(at) : minutes.format(at)]);
  return found;
}

// Where the chart begins: where the range does, or with the agent itself if that is younger, and has no past from before.
function beginning(all, cell, to) {
  const [span, least] = range === "hour" ? [3600, 300] : [7 * 86400, 6 * 3600];
  const first = all.find((row) => row[cell] !== null);
  return Math.max(to - span, Math.min(first ? first[0] : to, watching() ?? to, to - least));
}

// When the agent began to watch, in seconds; nothing where that is not known yet.
function watching() {
  return seen.now && seen.now.watches_since ? Date.parse(seen.now.watches_since) / 1000 : null;
}

// From when to when nothing was counted: before the first run, between runs, after the last of them, and within a row that is of several readings.
function holes(data, found, counted, from, to) {
  const between = found.slice(1).map((run, i) => [found[i][found[i].length - 1][0], run[0][0]]);
  const began = Math.max(from, watching() ?? to);
  if (found.length && found[0][0][0] - began > 1.5 * data.step_seconds) between.push([began, found[0][0][0]]);
  const last = found.length ? found[found.length - 1] : null;
  if (last && last[last.length - 1][0] < to) between.push([last[last.length - 1][0], to]);
  const missing = data.columns.indexOf("missing");
  if (missing > 0) for (const row of counted) if (row[missing]) between.push([row[0], row[0] + data.step_seconds, true]);
  between.sort((a, b) => a[0] - b[0]);
  const whole = [];
  for (const [start, end, isWithin] of between) {
    const before = whole[whole.length - 1];
    if (before && (start < before[1] || (isWithin && start === before[1]))) before[1] = Math.max(before[1], end);
    else whole.push([start, end]);
  }
  return whole.map(([start, end]) => [start, Math.min(end, to)]);
}

function drawChart(chart) {
  const { svg, layers, cell, plot } = chart;
  const full = plot.clientWidth, data = past[range];
  if (!full || !data) return;
  const all = data.rows, step = data.step_seconds;
  const counted = all.filter((row) => row[cell] !== null);
  const isSpread = data.cells !== "count";
  const most = (row) => (isSpread ? row[cell][2] : row[cell]);
  const least = (row) => (isSpread ? row[cell][0] : row[cell]);
  let top = 0, low = Infinity;
  for (const row of counted) { top = Math.max(top, most(row)); low = Math.min(low, least(row)); }
  const max = nice(top);
  const to = all.length ? all[all.length - 1][0] : agentNow() / 1000;
  const from = beginning(all, cell, to);
  const width = full - EDGE.left - EDGE.right, tall = HEIGHT - EDGE.top - EDGE.bottom;
  const x = (time) => EDGE.left + ((time - from) / (to - from)) * width;
  const y = (value) => EDGE.top + (1 - value / max) * tall;
  chart.scale = { from, to, width, x, y };
  attribute(svg, "viewBox", "0 0 " + full + " " + HEIGHT);
  for (const [key, value] of [["from", from], ["to", to], ["max", max], ["left", EDGE.left], ["width", width], ["top", EDGE.top], ["tall", tall]]) attribute(svg, "data-" + key, value);

  const grid = [];
  for (const part of [0, 0.5, 1]) {
    grid.push(draw("line", { class: "grid", x1: EDGE.left, x2: full - EDGE.right, y1: y(max * part), y2: y(max * part) }));
    const text = draw("text", { x: EDGE.left - 6, y: y(max * part) + 4, "text-anchor": "end" });
    text.textContent = compact(max * part);
    grid.push(text);
  }
  for (const [time, label] of ticks(from, to)) {
    if (x(time) < EDGE.left + 12 || x(time) > full - EDGE.right - 12) continue;
    const text = draw("text", { x: x(time), y: HEIGHT - 5, "text-anchor": "middle" });
    text.textContent = label;
    grid.push(draw("line", { class: "grid", x1: x(time), x2: x(time), y1: y(0), y2: y(0) + 4 }), text);
  }
  layers.grid.replaceChildren(...grid);

  const found = runs(all, cell, step);
  const lines = [], bands = [];
  for (const run of found) {
    const at = (value) => run.map((row) => [x(row[0]), y(value(row))]);
    if (isSpread) {
      bands.push(draw("path", { class: "band", d: path(at(most).concat(at(least).reverse())) + "Z" }));
      lines.push(draw("path", { class: "line", d: path(at((row) => row[cell][1])) }));
    } else lines.push(draw("path", { class: "line", d: path(at((row) => row[cell])) }));
  }
  const gaps = holes(data, found, counted, from, to);
  layers.gaps.replaceChildren(...gaps.map(([start, end]) => draw("rect", { class: "gapped", x: x(start), width: Math.max(1, x(end) - x(start)), y: EDGE.top, height: tall })));
  layers.band.replaceChildren(...bands);
  layers.line.replaceChildren(...lines);
  const over = range === "hour" ? "last hour" : "last seven days";
  attribute(plot, "aria-label", chart.label + ", " + over + ": arrow keys move through it");
  const without = gaps.length ? (gaps.length === 1 ? ", 1 gap" : ", " + gaps.length + " gaps") : "";
  set(chart.sum, counted.length ? "least " + count(low) + ", most " + count(top) + without : "nothing counted yet");
  mark(chart);
}

function drawCharts() {
  for (const chart of charts) drawChart(chart);
  const data = past[range], spread = "the line is the average, the band from the least to the most. Grey: nothing was counted";
  set($("legend"), range === "hour"
    ? data && data.cells !== "count" ? "Every " + lasting(data.step_seconds) + " of the hour: " + spread + ", or not each time." : "Every reading of the hour. Grey: nothing was counted."
    : "Quarters of an hour: " + spread + ".");
}

// A line of the last hour, small: the numbers are beside it.
function spark(svg, values) {
  const drawn = values.join();
  if (svg.drawn === drawn) return;
  svg.drawn = drawn;
  const counted = values.filter((value) => value !== null);
  const most = Math.max(1, ...counted);
  const x = (i) => 2 + (i / Math.max(1, values.length - 1)) * 126;
  const y = (value) => 20 - (value / most) * 18;
  const found = runs(values.map((value, i) => [i, value]), 1, 1);
  svg.replaceChildren(...found.map((run) => draw("path", { class: "line", d: path(run.map(([i, value]) => [x(i), y(value)])) })));
  attribute(svg, "aria-label", counted.length ? "least " + count(Math.min(...counted)) + ", most " + count(Math.max(...counted)) : "nothing counted");
}
