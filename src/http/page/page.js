
// What the agent is asked, when, and where the answers go.

const ASK_WITHIN = 8000;
// So often at most the larger answers are asked for, in milliseconds.
const SOON = 10000, RARELY = 300000;

const seen = { now: null, at: 0, began: 0, hour: 0, week: 0, pods: 0 };
// When the agent answered last, by its clock, if it does not now.
let gone = null, timer = 0, turn = 0, known = null;

// The agent's clock, as far as is known here: no matter how this machine's is set.
function agentNow() {
  if (!seen.now || !seen.now.sample) return Date.now();
  return Date.parse(seen.now.sample.time) + seen.now.sample.age_seconds * 1000 + (performance.now() - seen.at);
}

async function ask(path) {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), ASK_WITHIN);
  try {
    const answer = await fetch("/api/v1/" + path, { signal: stop.signal, cache: "no-store" });
    if (!answer.ok) throw new Error("it answers " + answer.status);
    return await answer.json();
  } finally {
    clearTimeout(late);
  }
}

async function poll(everything) {
  clearTimeout(timer);
  const mine = ++turn;
  let wait = 2000;
  try {
    const [now, alerts] = await Promise.all([ask("now"), ask("alerts")]);
    const tick = performance.now(), began = tick / 1000 - now.uptime_seconds;
    // Of one that was started since, nothing is known yet, nor of what stood when the other ended.
    const isAnother = seen.now !== null && Math.abs(began - seen.began) > 3;
    const due = (what, every) => everything || isAnother || gone !== null || !seen[what] || tick - seen[what] >= every - 500;
    const got = {};
    if (due("hour", SOON)) got.hour = await ask("history?range=hour");
    if (range === "week" && due("week", RARELY)) got.week = await ask("history?range=week");
    if (now.pods && due("pods", SOON)) got.pods = await ask("pods?metric=" + $("metric").value);
    if (mine !== turn) return;
    if (isAnother) {
      known = past.week = null;
      seen.week = 0;
    }
    Object.assign(seen, { now, at: tick, began });
    for (const what in got) {
      seen[what] = tick;
      if (what === "pods") seen.podsAre = got.pods;
      else past[what] = got[what];
    }
    back();
    showAll(now, alerts);
    const age = now.sample ? now.sample.age_seconds : 0;
    // A little after the next reading is due.
    wait = Math.min(30, Math.max(1, now.sample ? now.interval_seconds - age + 0.3 : 1)) * 1000;
  } catch (error) {
    if (document.hidden || mine !== turn) return;
    lost(error);
  }
  if (!document.hidden && mine === turn) timer = setTimeout(poll, wait);
}

function lost(error) {
  if (gone === null) gone = seen.now ? agentNow() - (performance.now() - seen.at) : Date.now();
  const from = seen.now && seen.now.sample ? " What is shown is from " + moment(Date.parse(seen.now.sample.time)) + "." : "";
  const why = /^it answers/.test(error.message) ? " (" + error.message + ")" : "";
  set($("gone"), "The agent has not answered since " + moment(gone) + why + "." + from + " This page goes on asking.");
  show($("gone"), true);
  document.body.classList.add("is-gone");
  if (seen.now) {
    attribute($("calm"), "data-is", "stale");
    set($("calm-icon"), "!");
    set($("calm-text"), "Nothing is known of now: the agent does not answer.");
    for (const { parts } of $("tiles").children) tag(parts.state, "unknown", "not known");
  }
  age();
}

function back() {
  if (gone === null) return;
  gone = null;
  show($("gone"), false);
  document.body.classList.remove("is-gone");
  set($("said"), "The agent answers again.");
}

// What grows older without anybody being asked.
function age() {
  const now = seen.now, sample = now && now.sample;
  const old = sample ? (agentNow() - Date.parse(sample.time)) / 1000 : null;
  const stale = now && (!now.ready || !now.live || (old !== null && old > 2.5 * now.interval_seconds + 2));
  const is = gone !== null ? "gone" : !now ? "wait" : stale ? "stale" : "live";
  attribute($("live"), "data-is", is);
  set($("live-word"), { gone: "agent gone", wait: "connecting", stale: "no fresh reading", live: "live" }[is]);
  set($("live-age"), old === null ? (now ? "no reading yet" : "") : "read " + lasting(old) + " ago");
  // What nobody looks at any more is not told to last.
  const until = gone ?? agentNow();
  for (const node of document.querySelectorAll("[data-since]")) set(node, node.dataset.before + lasting((until - node.dataset.since) / 1000) + node.dataset.after);
}

function showAll(now, alerts) {
  set($("host"), plain(now.host || "this machine"));
  const whose = { host: "the host", self: "its own network namespace", pods: "pods", "host,pods": "the host and its pods" }[now.scope] || now.scope;
  set($("scope"), "TCP sockets of " + whose);
  set($("reads"), now.reads ? " · " + plain(now.reads) : "");
  set($("version"), now.version);
  showWrong(now, alerts);
  showTiles(now);
  // Of pods alone there is no past of all.
  show($("past-section"), now.scope !== "pods");
  drawCharts();
  showStates(now);
  showPods(now);
  showEvents(alerts);
  showAgent(now);
  const number = alerts.standing_in_all || 0;
  document.title = (number ? "(" + number + ") " : "") + plain(now.host || "this machine") + " · tcpgauge";
  age();
  const dot = document.querySelector(".dot");
  dot.classList.remove("beat");
  requestAnimationFrame(() => dot.classList.add("beat"));
}

function tag(node, state, word) {
  name(node, "tag " + state);
  set(node.firstChild, ICONS[state] || "?");
  set(node.lastChild, word);
}
function makeTag() {
  const node = make("span", "tag");
  const icon = make("span");
  icon.setAttribute("aria-hidden", "true");
  node.append(icon, make("span"));
  return node;
}

function showWrong(now, alerts) {
  const standing = alerts.standing, number = alerts.standing_in_all || 0;
  show($("wrong-count"), number > 0);
  set($("wrong-count"), String(number));
  show($("calm"), !number);
  const since = now.watches_since ? Date.parse(now.watches_since) : null;
  if (!standing) {
    attribute($("calm"), "data-is", "wait");
    set($("calm-icon"), "–");
    set($("calm-text"), "Alerts are turned off: nothing here is judged.");
  } else if (!now.ready) {
    attribute($("calm"), "data-is", "stale");
    set($("calm-icon"), "!");
    set($("calm-text"), "Nothing is known to be wrong, but " + plain(now.why_not_ready || "there is no fresh reading") + ".");
  } else {
    attribute($("calm"), "data-is", "ok");
    set($("calm-icon"), "✓");
    set($("calm-text"), "Nothing is wrong. Watching since " + (since ? moment(since, minutes) + ", for " + lasting((agentNow() - since) / 1000) : "just now") + ".");
  }
  list($("alerts"), standing || [], (alert) => alert.id, makeAlert, updateAlert);
  const hidden = number - (standing || []).length, suppressed = alerts.suppressed || 0;
  const more = [];
  if (hidden > 0) more.push(count(hidden) + " more stand");
  if (suppressed > 0) more.push("there was no room for " + count(suppressed) + (suppressed === 1 ? " alert" : " alerts"));
  show($("more-alerts"), more.length > 0);
  set($("more-alerts"), more.join("; ") + ".");
  // Said once to those who do not see it. On the first look everything is new, and the list says it.
  // One that stands may fire again, for a port more.
  const fired = new Map();
  for (const { id, time, transition } of alerts.recent || []) if (transition === "fired" && !(fired.get(id) > time)) fired.set(id, time);
  const ids = new Map((standing || []).map((alert) => [alert.id, { body: alert.body, fired: fired.get(alert.id) }]));
  if (known) {
    const isNew = ([id, now]) => !known.has(id) || now.fired > known.get(id).fired;
    const news = [...ids].filter(isNew).map(([, { body }]) => "New: " + plain(body));
    news.push(...[...known].filter(([id]) => !ids.has(id)).map(([, { body }]) => "Over: " + plain(body)));
    if (news.length) set($("said"), news.slice(0, 3).join(" "));
  }
  known = ids;
}

function makeAlert() {
  const node = make("li", "card alert");
  const head = make("div", "alert-head");
  const severity = makeTag(), rule = make("code"), whose = make("bdi", "dim"), when = make("span", "when dim");
  const since = make("time"), long = make("span");
  when.append(since, long);
  head.append(severity, whose, rule, when);
  const body = make("p", "body"), said = make("bdi");
  body.append(said);
  const more = make("div", "more");
  const who = make("div"), what = make("div");
  const culprits = make("ul", "who-list"), steps = make("ol", "steps"), runbook = make("p", "runbook");
  who.append(make("h3", "", "Who"), culprits);
  what.append(make("h3", "", "What to do"), steps, runbook);
  more.append(who, what);
  node.append(head, body, more);
  node.parts = { severity, rule, whose, since, long, said, who, what, culprits, steps, runbook };
  return node;
}

function updateAlert(node, alert) {
  const parts = node.parts;
  name(node, "card alert " + alert.severity);
  tag(parts.severity, alert.severity, alert.severity);
  set(parts.rule, plain(alert.rule));
  set(parts.whose, plain(alert.whose));
  const since = Date.parse(alert.since);
  attribute(parts.since, "datetime", alert.since);
  set(parts.since, "since " + moment(since));
  Object.assign(parts.long.dataset, { since, before: ", for ", after: "" });
  set(parts.said, plain(alert.body));
  show(parts.who, alert.culprits.length > 0);
  // Where fewer listen than usual, who has no sockets is who is gone; elsewhere nobody counted them.
  const none = alert.metric === "tcp_listen" && alert.value < alert.limit ? "gone" : "";
  list(parts.culprits, alert.culprits.map((culprit, i) => ({ ...culprit, i })), (culprit) => culprit.i, () => {
    const item = make("li");
    item.append(make("b"), make("span"));
    item.lastChild.append(make("bdi"));
    return item;
  }, (item, culprit) => {
    set(item.firstChild, culprit.sockets ? count(culprit.sockets) : none);
    show(item.firstChild, item.firstChild.textContent !== "");
    set(item.lastChild.firstChild, plain(culprit.what) + (alert.metric === "tcp_close_wait" ? place(culprit) : ""));
  });
  show(parts.what, alert.steps.length > 0 || alert.runbook !== "");
  list(parts.steps, alert.steps.map((text, i) => ({ text, i })), (step) => step.i, () => make("li"), (item, step) => set(item, plain(step.text)));
  showRunbook(parts.runbook, alert.runbook);
}

function showRunbook(node, to) {
  if (node.to === to) return;
  node.to = to;
  show(node, to !== "");
  // Only an address of the web is a link; whatever else somebody may have set is text.
  const link = make(/^https?:\/\/[^\s]+$/i.test(to) ? "a" : "code", "", plain(to));
  if (link.tagName === "A") { link.href = to; link.rel = "noopener noreferrer"; link.target = "_blank"; }
  node.replaceChildren("Runbook: ", link);
}

function showTiles(now) {
  list($("tiles"), FIVE, ([key]) => key, ([key, label]) => {
    const node = make("li", "card tile");
    node.id = "tile-" + key;
    const top = make("div", "label"), state = makeTag();
    top.append(make("span", "", label), state);
    const value = make("div", "value"), change = make("div", "change");
    node.append(top, value, change);
    node.parts = { state, value, change };
    return node;
  }, (node, [key]) => {
    const one = now.five ? now.five[key] : { value: null, state: null };
    const state = one.state || "unknown";
    name(node, "card tile " + state);
    tag(node.parts.state, state, one.state || (one.value === null ? "not known" : "not judged"));
    set(node.parts.value, count(one.value));
    set(node.parts.change, changed(key, one.value));
  });
}

// How it was ten minutes ago; nothing where that is not known.
function changed(key, value) {
  if (value === null || !past.hour) return "";
  const cell = past.hour.columns.indexOf(key), then = agentNow() / 1000 - 600;
  const slack = Math.max(60, 1.5 * past.hour.step_seconds);
  let best = null;
  for (const row of past.hour.rows)
    if (row[cell] !== null && Math.abs(row[0] - then) <= slack && (!best || Math.abs(row[0] - then) < Math.abs(best[0] - then))) best = row;
  if (!best) return "";
  const was = best[cell], by = value - (Array.isArray(was) ? Math.round(was[1]) : was);
  return by === 0 ? "as 10 min ago" : (by > 0 ? "▲ " : "▼ ") + count(Math.abs(by)) + " in 10 min";
}

function showStates(now) {
  const states = now.states ? Object.entries(now.states) : [];
  if (now.unrecognised) states.push(["unrecognised", now.unrecognised]);
  const most = Math.max(1, ...states.map(([, value]) => value));
  const all = states.reduce((sum, [, value]) => sum + value, 0);
  list($("states"), states, ([state]) => state, ([state]) => {
    const row = make("tr"), th = make("th", "", state.toUpperCase());
    th.scope = "row";
    const cell = make("td"), svg = draw("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const bar = draw("rect", { height: 10, width: 0 });
    svg.append(draw("rect", { class: "track", height: 10, width: 100 }), bar);
    cell.append(svg);
    const value = make("td", "num"), share = make("td", "num share");
    row.append(th, cell, value, share);
    row.parts = { bar, value, share };
    return row;
  }, (row, [, value]) => {
    name(row, value ? "" : "none");
    // What is there is seen, however little it is.
    attribute(row.parts.bar, "width", value ? Math.max(0.6, (value / most) * 100).toFixed(2) : 0);
    set(row.parts.value, count(value));
    set(row.parts.share, all ? ((value / all) * 100).toFixed(1) + " %" : "–");
  });
  set($("states-note"), now.states ? count(all) + " sockets in all, IPv4 and IPv6 together" : "Nothing is known of single states.");
}

function showPods(now) {
  const told = seen.podsAre;
  show($("pods-section"), !!now.pods);
  if (!now.pods || !told) return;
  const rest = told.pods_in_all - told.pods.length;
  set($("pods-count"), count(told.pods_in_all) + " · those that need attention first" + (rest > 0 ? " · " + count(rest) + " not shown" : ""));
  list($("pods"), told.pods, (pod) => Object.values(pod.owner).at(-1), () => {
    const row = make("tr"), th = make("th");
    th.scope = "row";
    const label = make("bdi"), state = makeTag(), td = make("td"), cells = FIVE.map(() => make("td", "num"));
    th.append(label);
    td.append(state);
    const hour = make("td"), svg = draw("svg", { class: "spark", viewBox: "0 0 130 22", role: "img" });
    hour.append(svg);
    row.append(th, td, hour, ...cells);
    row.parts = { th, label, state, cells, svg };
    return row;
  }, (row, pod) => {
    const { th, label, state, cells, svg } = row.parts;
    set(label, plain(pod.name));
    attribute(th, "title", plain(pod.name));
    tag(state, pod.state, pod.alerts.length ? plain(pod.alerts.join(", ")) : pod.state);
    FIVE.forEach(([key], i) => {
      const hot = key === "tcp_close_wait" && pod[key] > 0 && pod.state !== "ok";
      name(cells[i], hot ? "num hot " + pod.state : "num");
      set(cells[i], count(pod[key]));
    });
    spark(svg, pod.hour);
  });
}

function showEvents(alerts) {
  const recent = alerts.recent || [];
  show($("no-events"), !recent.length);
  set($("no-events"), alerts.recent ? "None since the agent began to watch." : "Alerts are turned off.");
  list($("events"), recent, (event) => event.id + event.transition + event.time, () => {
    const item = make("li"), time = make("time", "dim"), kind = makeTag(), text = make("span", "text");
    const word = make("span");
    word.append(kind);
    text.append(make("bdi"));
    item.append(time, word, text);
    return item;
  }, (item, event) => {
    const [time, word, text] = item.children;
    attribute(time, "datetime", event.time);
    set(time, moment(Date.parse(event.time)));
    const over = event.transition === "resolved";
    tag(word.firstChild, over ? "ok" : event.severity, over ? "resolved" : event.severity);
    set(text.firstChild, plain(event.body));
  });
}

// Everything is in place before anything is known, so nothing jumps when it is.
FIVE.forEach(makeChart);
for (const [key, label] of FIVE) {
  const option = make("option", "", label);
  option.value = key;
  $("metric").append(option);
}
for (const [text, className] of [["Pod", ""], ["State", ""], ["Last hour", ""], ...FIVE.map(([, label]) => [label, "num"])]) {
  const th = make("th", className, text);
  th.scope = "col";
  $("pods-head").append(th);
}
set($("zone"), "times are those of this browser, " + Intl.DateTimeFormat().resolvedOptions().timeZone);
$("metric").addEventListener("change", () => { seen.pods = 0; poll(); });
for (const which of ["hour", "week"]) {
  $("range-" + which).addEventListener("change", () => {
    range = which;
    cursor = null;
    drawCharts();
    if (which === "week") poll();
  });
}
// A page that nobody looks at asks for nothing.
document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else poll(); });
setInterval(() => { if (!document.hidden) age(); }, 1000);
// A browser may bring back what was chosen before.
range = $("range-week").checked ? "week" : "hour";
poll(true);
