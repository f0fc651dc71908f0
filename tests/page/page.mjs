// The page in a real browser, against a world that is known: page.mjs WORLD PICTURES
// WORLD is the program made of world.rs; pictures of the page go to the directory PICTURES.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [WORLD, PICTURES] = process.argv.slice(2);
const FIVE = ["tcp_connections", "tcp_established", "tcp_time_wait", "tcp_close_wait", "tcp_listen"];
const WORDS = ["Connections", "Established", "TIME_WAIT", "CLOSE_WAIT", "Listening"];
// Nothing that is waited for takes half of it.
const PATIENCE = 20000;
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const directory = mkdtempSync(join(tmpdir(), "tcpgauge-page."));
const truth = () => JSON.parse(readFileSync(join(directory, "world.json"), "utf8"));
const count = (value) => new Intl.NumberFormat("en", { maximumFractionDigits: 1 }).format(value);
const shown = (text) => text.replace(/[\u0000-\u001f\u200b\u202e\u2066]/g, (c) => `‹U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);

async function serve(address, ...more) {
  const process = spawn(WORLD, [address, join(directory, "world.json"), ...more], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: process.stdout });
  const [line] = await Promise.race([
    new Promise((ready) => lines.once("line", (line) => ready([line]))),
    new Promise((_, fail) => process.once("exit", (code) => fail(new Error(`the world ended with ${code}`)))),
  ]);
  const ended = new Promise((done) => process.once("exit", done));
  return {
    address: line,
    say: (word) => process.stdin.write(word + "\n"),
    end: () => (process.kill("SIGKILL"), ended),
  };
}

let number = 0;
async function browse(options) {
  const context = await chromium.launchPersistentContext(join(directory, `user-${number++}`), {
    executablePath: "/usr/bin/chromium", headless: true, args: ARGUMENTS, timezoneId: "UTC", ...options,
  });
  const page = context.pages()[0];
  page.setDefaultTimeout(PATIENCE);
  return { context, page };
}

let failed = 0;
async function claim(words, prove) {
  try {
    const found = await prove();
    console.log(`  ok: ${words}${found ? ` (${found})` : ""}`);
  } catch (error) {
    failed++;
    console.log(`  FAILED: ${words}\n${error.stack}`);
  }
}

// Looks until it holds.
async function until(page, what, argument) {
  await page.waitForFunction(what, argument, { timeout: PATIENCE, polling: 50 });
}

// What the one chart draws, turned back from points to numbers.
const drawn = (page, key) => page.evaluate((key) => {
  const svg = document.querySelector(`#plot-${key} svg`);
  const at = Object.fromEntries(Object.entries(svg.dataset).map(([name, value]) => [name, Number(value)]));
  const back = (x, y) => [at.from + ((x - at.left) / at.width) * (at.to - at.from), (1 - (y - at.top) / at.tall) * at.max];
  const points = (path) => [...path.getAttribute("d").matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(([, x, y]) => back(Number(x), Number(y)));
  return {
    within: [((at.to - at.from) / at.width) * 0.02, (at.max / at.tall) * 0.02],
    lines: [...svg.querySelectorAll(".line")].map(points),
    bands: [...svg.querySelectorAll(".band")].map(points),
    gaps: [...svg.querySelectorAll(".gapped")].map((gap) => [Number(gap.getAttribute("x")), Number(gap.getAttribute("width"))].map((x, i) => (i ? (x / at.width) * (at.to - at.from) : back(x, 0)[0]))),
  };
}, key);

// Runs of what was counted, each point as [time, cell].
function runs(rows, cell) {
  const found = [[]];
  for (const [time, cells] of rows) {
    if (cells) found.at(-1).push([time, cells[cell]]);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((run) => run.length);
}

function same(points, wanted, within, what) {
  assert.equal(points.length, wanted.length, `${what}: ${points.length} points for ${wanted.length}`);
  points.forEach(([time, value], i) => {
    assert.ok(Math.abs(time - wanted[i][0]) <= within[0], `${what}: ${time} for ${wanted[i]}`);
    assert.ok(Math.abs(value - wanted[i][1]) <= within[1], `${what}: ${value} for ${wanted[i]}`);
  });
}

// A run of one is drawn as a line from it to itself.
const twice = (run) => (run.length === 1 ? [run[0], run[0]] : run);

async function charts(page, range) {
  const rows = truth()[range];
  let points = 0;
  for (const [cell, key] of FIVE.entries()) {
    const { lines, bands, gaps, within } = await drawn(page, key);
    const wanted = runs(rows, cell);
    assert.equal(lines.length, wanted.length, `${key} in ${lines.length} pieces`);
    assert.equal(gaps.length, wanted.length - 1);
    gaps.forEach(([time, width], i) => {
      assert.ok(Math.abs(time - wanted[i].at(-1)[0]) <= within[0], `a gap at ${time}`);
      assert.ok(Math.abs(time + width - wanted[i + 1][0][0]) <= 2 * within[0], `a gap of ${width} at ${time}`);
    });
    const value = range === "week" ? ([time, spread]) => [time, spread[1]] : (point) => point;
    wanted.forEach((run, i) => same(lines[i], twice(run.map(value)), within, key));
    assert.equal(bands.length, range === "week" ? wanted.length : 0);
    if (range === "week") wanted.forEach((run, i) => {
      const most = run.map(([time, spread]) => [time, spread[2]]), least = run.map(([time, spread]) => [time, spread[0]]);
      same(bands[i], twice(most).concat(twice(least).reverse()), within, `the band of ${key}`);
    });
    points += wanted.flat().length;
  }
  return `${points} points, ${runs(rows, 0).length - 1} gaps in each`;
}

// What a screen reader would say at each point, from the first to the last, by keys alone.
const said = (page, key) => page.evaluate((key) => {
  const plot = document.getElementById(`plot-${key}`);
  plot.focus();
  const press = (name) => plot.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  press("Home");
  const all = [];
  for (let i = 0; i <= Number(plot.getAttribute("aria-valuemax")); i++) {
    all.push(plot.getAttribute("aria-valuetext"));
    press("ArrowRight");
  }
  plot.blur();
  return all;
}, key);

const clock = (time) => new Date(time * 1000).toISOString().slice(11, 19);

// Text of which the contrast with what is behind it is less than what WCAG AA asks for.
const faint = (page) => page.evaluate(() => {
  const parse = (colour) => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (node) => {
    const own = parse(getComputedStyle(node).backgroundColor);
    return own[3] === 1 ? own : over(own, node.parentElement ? behind(node.parentElement) : [255, 255, 255, 1]);
  };
  const light = (colour) => colour.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode()); ) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const back = behind(node), colour = over(parse(node instanceof SVGElement ? style.fill : style.color), back);
    const [a, b] = [light(colour), light(back)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${text.data.trim().slice(0, 30)}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return [...new Set(found)];
});

async function walk() {
  let world = await serve("127.0.0.1:0");
  const origin = `http://${world.address}`;
  const { context, page } = await browse({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  const complaints = [], asked = [];
  let isGone = false;
  page.on("console", (message) => {
    // That a request came to nothing is said by the browser itself, and is to be so while nobody answers.
    if (["error", "warning"].includes(message.type()) && !(isGone && /ERR_|Failed to load/.test(message.text()))) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => { complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  context.on("request", (request) => asked.push(request.url()));
  await page.goto(origin);
  await until(page, () => document.querySelectorAll("#pods tr").length > 0);

  await claim("the five and all states are the numbers that were counted", async () => {
    const { now, states } = truth();
    assert.deepEqual(await page.locator("#tiles .value").allTextContents(), now.map(count));
    const rows = await page.locator("#states tr").evaluateAll((rows) => rows.map((row) => [row.children[0].textContent, row.children[2].textContent]));
    assert.deepEqual(rows, states.map(([state, value]) => [state.toUpperCase(), count(value)]));
    assert.ok(states.some(([, value]) => value === 0));
  });
  await claim("each of the five says its state in a word beside its colour", async () => {
    assert.deepEqual(await page.locator("#tiles .tag").allTextContents(), ["✓ok", "✓ok", "✓ok", "✓ok", "✕critical"]);
  });
  await claim("what is wrong is there, the worst first, with the very words of the alert, who and what to do", async () => {
    const { bodies } = truth();
    const [leak, hostile, gone] = bodies.map(shown);
    assert.deepEqual(await page.locator("#alerts .body").allTextContents(), [gone, leak, hostile]);
    const second = page.locator("#alerts > li").nth(1);
    assert.match(await second.locator(".when").textContent(), /^since 17:58:30, for 10 min$/);
    assert.match(await second.locator(".who-list li").first().textContent(), /^18python3 \(pid 4711/);
    assert.match(await second.locator(".who-list li").nth(1).textContent(), /evil \(pid 4712\), peer \[2001:db8::7\]:443$/);
    assert.equal(await second.locator(".steps li").count(), 3);
    assert.match(await second.locator(".runbook").textContent(), /docs\/runbooks\/close-wait\.md/);
    assert.equal(await page.title(), "(3) web-07.example · tcpgauge");
  });
  await claim("only a listener that is missing is said to be gone, and not a service that hangs", async () => {
    const who = await page.locator("#alerts > li").evaluateAll((alerts) => alerts.map((alert) => alert.querySelector(".who-list li").innerText.trim().split("\n").join(" ")));
    assert.deepEqual(who, ["gone port 5432, user 113", "18 python3 (pid 4711, user 1000), port 8080, peer 10.42.0.17", "that of port 8081 of user 33"]);
  });
  await claim("charts of the hour are the points that were counted, and gaps are gaps", () => charts(page, "hour"));
  await claim("each point of the hour can be heard, by keys alone", async () => {
    for (const [cell, key] of FIVE.entries()) {
      const wanted = truth().hour.map(([time, cells]) => `${clock(time)}: ${cells ? `${count(cells[cell])} socket${cells[cell] === 1 ? "" : "s"}` : "nothing counted"}`);
      assert.deepEqual(await said(page, key), wanted, key);
    }
  });
  await claim("the value at the pointer is the one of the time that is pointed at, in all five", async () => {
    const box = await page.locator("#plot-tcp_close_wait svg").boundingBox();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 40);
    const at = await page.locator(".chart-head .at").allTextContents();
    const rows = new Map(truth().hour.map(([time, cells]) => [clock(time), cells]));
    const time = at[0].slice(0, 8);
    assert.deepEqual(at, rows.get(time).map((value) => `${time} · ${count(value)}`));
    await page.mouse.move(5, 5);
    assert.deepEqual(await page.locator(".chart-head .at").allTextContents(), ["", "", "", "", ""]);
    return at[3];
  });
  await claim("names that nobody should have are text, and nothing else", async () => {
    const { hostile, pods } = truth();
    const names = await page.locator("#pods th bdi").allTextContents();
    for (const name of hostile.slice(0, 5)) assert.ok(names.includes(shown(name)), `${shown(name)} in ${names.slice(0, 8)}`);
    assert.equal(names.length, pods.length);
    const found = await page.evaluate(() => ({
      scripts: document.scripts.length, styles: document.querySelectorAll("style").length,
      injected: document.querySelectorAll("img, iframe, object, embed, b a, #main a:not([rel='noopener noreferrer']), [onerror], [onload], [style]").length,
      links: [...document.querySelectorAll("#main a")].map((link) => link.href),
      unseen: /[\u0000-\u0008\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent),
    }));
    assert.deepEqual(found, { scripts: 1, styles: 1, injected: 0, links: ["https://runbooks.example/listener-gone"], unseen: false });
  });
  await claim("pods are those that need attention first, with their five", async () => {
    const { pods, leaking } = truth();
    const rows = await page.locator("#pods tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.equal(rows[0][0], leaking);
    assert.equal(rows[0][1], "!close-wait");
    const five = new Map(pods.map((pod) => [shown(pod.name), pod.five]));
    for (const row of rows) {
      const wanted = five.get(row[0]);
      assert.deepEqual(row.slice(3), wanted ? wanted.map(count) : ["–", "–", "–", "–", "–"], row[0]);
    }
    return `${rows.length} rows`;
  });
  await claim("the last hour of pods is that of the metric that is chosen", async () => {
    const before = await page.locator("#pods tr").first().locator("svg").getAttribute("aria-label");
    await page.selectOption("#metric", "tcp_close_wait");
    await until(page, (before) => document.querySelector("#pods tr svg").getAttribute("aria-label") !== before, before);
    assert.equal(await page.locator("#pods tr").first().locator("svg").getAttribute("aria-label"), "least 0, most 20");
  });
  await claim("the agent tells of itself, in words", async () => {
    const facts = await page.locator("#agent").innerText();
    for (const words of ["diag: the cheapest", "4.2 ms", "6.8 MiB", "takes what is sent for 3 days", "empty; 20,160 sent", "107 told of"]) assert.ok(facts.includes(words), `${words}: ${facts}`);
  });
  await claim("events have their own backend, queue and losses, or why there are none", async () => {
    const told = () => page.locator("#agent .fact").evaluateAll((facts) => Object.fromEntries(facts.map((fact) => [...fact.children].map((part) => part.textContent))));
    const facts = await told();
    assert.equal(facts.Events, "http://collector.monitoring:4317 (OTLP/gRPC) has not taken anything for 3 h 0 min: <b>UNIMPLEMENTED</b>: it takes no logs");
    assert.equal(facts["Events waiting"], "2 events wait (1.4 KiB), the oldest for 10 min; 3 sent");
    assert.equal(facts["Events lost"], "0 for want of room, 0 too old, 0 refused; 1 event rejected");
    for (const [more, backend, events] of [
      [{ delivery: null }, "none: no samples are sent, or not yet", facts.Events],
      [{ events: null }, facts.Backend, "not sent yet"],
      [{ events: null, why_no_events: "logs_exporter is none" }, facts.Backend, "not sent: logs_exporter is none"],
    ]) {
      await page.evaluate((more) => showAgent({ ...seen.now, ...more }), more);
      const { Backend, Events, ...rest } = await told();
      assert.deepEqual([Backend, Events], [backend, events]);
      assert.equal("Queue" in rest, !("delivery" in more));
      assert.equal("Events waiting" in rest, !("events" in more));
    }
    await page.evaluate(() => showAgent(seen.now));
  });
  await claim("there are landmarks, headings, tables and names for who does not see", async () => {
    for (const role of ["banner", "main", "contentinfo"]) assert.equal(await page.getByRole(role).count(), 1, role);
    assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
    const headings = await page.getByRole("heading", { level: 2 }).allTextContents();
    assert.equal(headings.length, 7, headings.join());
    assert.equal(await page.getByRole("table").count(), 2);
    assert.equal(await page.getByRole("slider").count(), 5);
    for (const word of WORDS) assert.equal(await page.getByRole("slider", { name: word + ", last hour" }).count(), 1, word);
    assert.equal(await page.getByRole("combobox", { name: "Last hour of" }).count(), 1);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
    const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map((node) => node.id));
    assert.equal(new Set(ids).size, ids.length);
  });
  await claim("every control is reached by Tab, in order, and is seen to be", async () => {
    // Where Tab goes on from is the browser's; a new page begins at its beginning.
    await page.reload();
    await until(page, () => document.querySelectorAll("#pods tr").length > 0);
    const reached = [];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => {
        const node = document.activeElement;
        const seen = node.tagName === "INPUT" ? node.nextElementSibling : node;
        const outline = getComputedStyle(seen);
        return (node.id || node.getAttribute("href") || node.className) + (outline.outlineStyle === "none" || parseFloat(outline.outlineWidth) < 2 ? " unseen" : "");
      }));
    }
    assert.deepEqual(reached, [
      "#main", "https://runbooks.example/listener-gone", "range-hour", ...FIVE.map((key) => `plot-${key}`), "metric", "scroll card", "/status", "/api/v1/now",
    ]);
  });
  await claim("the switch to seven days works by keys, and back", async () => {
    await page.focus("#range-hour");
    await page.keyboard.press("ArrowRight");
    await until(page, () => document.querySelectorAll("#plot-tcp_listen .band").length > 0);
    assert.ok(await page.isChecked("#range-week"));
    assert.equal(await page.evaluate(() => document.activeElement.id), "range-week");
  });
  await claim("charts of the week are least, average and most of each quarter, and gaps are gaps", () => charts(page, "week"));
  await claim("each quarter can be heard", async () => {
    const heard = await said(page, "tcp_connections");
    const { week } = truth();
    assert.equal(heard.length, week.length);
    week.forEach(([, cells], i) => assert.ok(heard[i].endsWith(cells ? `: ${count(cells[0][1])} on average, ${count(cells[0][0])} to ${count(cells[0][2])}` : ": nothing counted"), heard[i]));
  });
  await page.focus("#range-week");
  await page.keyboard.press("ArrowLeft");

  await claim("what is new comes without anything being made anew: focus, scrolling and nodes stay", async () => {
    await page.focus("#alerts a");
    await page.evaluate(() => {
      document.querySelector("#alerts li").marked = document.querySelector("#pods tr").marked = document.querySelector("#tiles li").marked = true;
      document.querySelector(".scroll").scrollTop = 200;
      scrollTo(0, 300);
    });
    world.say("tick");
    await until(page, () => document.querySelector("#agent").innerText.includes("18:09:00"));
    await until(page, (to) => Number(document.querySelector("#plot-tcp_listen svg").dataset.to) === to, truth().hour.at(-1)[0]);
    const kept = await page.evaluate(() => [document.querySelector("#alerts li").marked, document.querySelector("#tiles li").marked, document.querySelector(".scroll").scrollTop, scrollY, document.activeElement.href]);
    assert.deepEqual(kept, [true, true, 200, 300, "https://runbooks.example/listener-gone"]);
    return charts(page, "hour");
  });
  await claim("that something is over is said, and stands among the events", async () => {
    world.say("resolve");
    await until(page, () => document.querySelectorAll("#alerts > li").length === 2);
    assert.match(await page.locator("#said").textContent(), /^Over: 2 listening sockets are gone/);
    assert.equal(await page.locator("#said").getAttribute("aria-live"), "polite");
    assert.match(await page.locator("#events li").first().textContent(), /^18:09:00✓resolved2 listening sockets/);
    assert.equal(await page.locator("#events li").count(), 6);
  });
  await claim("where nothing is wrong the page says so, and since when it has been watching", async () => {
    world.say("calm");
    await until(page, () => !document.getElementById("calm").hidden);
    assert.match(await page.locator("#calm").innerText(), /Nothing is wrong. Watching since Sun 15 Nov 18:08, for 7 days/);
    assert.equal(await page.title(), "web-07.example · tcpgauge");
  });
  await claim("an agent that is gone is said, with how old what is shown is, and nothing is claimed of now; so is its return", async () => {
    isGone = true;
    await world.end();
    await page.waitForSelector("#gone", { state: "visible" });
    assert.match(await page.locator("#gone").innerText(), /^The agent has not answered since 18:09:\d\d. What is shown is from 18:09:00/);
    assert.equal(await page.locator("#live-word").textContent(), "agent gone");
    assert.equal(await page.locator("#tiles .value").first().textContent(), count(truth().now[0]));
    assert.deepEqual(new Set(await page.locator("#tiles .tag").allTextContents()), new Set(["?not known"]));
    assert.match(await page.locator("#calm").innerText(), /Nothing is known of now: the agent does not answer.$/);
    // With another past, and of an hour that is not asked for again within it.
    await page.focus("#range-hour");
    await page.keyboard.press("ArrowRight");
    world = await serve(world.address, "plain");
    await page.waitForSelector("#gone", { state: "hidden" });
    isGone = false;
    assert.equal(await page.locator("#live-word").textContent(), "live");
    await until(page, () => document.querySelectorAll("#alerts > li").length === 2);
    assert.equal(await page.locator("#said").textContent(), "The agent answers again.");
    await until(page, () => document.querySelectorAll("#plot-tcp_listen .band").length > 0);
  });
  await claim("what stands lasts no longer than the agent was there to see", async () => {
    const lasts = () => page.locator("#alerts .when").allTextContents();
    isGone = true;
    await world.end();
    await page.waitForSelector("#gone", { state: "visible" });
    const before = await lasts();
    assert.match(before[0], /^since 18:07:30, for \d+ s$/);
    await page.waitForTimeout(2500);
    assert.deepEqual(await lasts(), before);
  });
  await claim("of an agent that was started between two questions nothing of the one before is shown", async () => {
    world = await serve(world.address);
    await page.waitForSelector("#gone", { state: "hidden" });
    isGone = false;
    await until(page, () => document.querySelectorAll("#alerts > li").length === 3);
    assert.ok(await page.isChecked("#range-week"));
    const asked_for = [];
    const listen = (request) => asked_for.push(new URL(request.url()).search);
    page.on("request", listen);
    const said = await page.locator("#said").textContent();
    // No question meets nobody: the page stands still meanwhile.
    await page.evaluate(() => clearTimeout(timer));
    await page.waitForTimeout(3500);
    await world.end();
    world = await serve(world.address);
    await page.evaluate(() => poll());
    assert.ok(asked_for.includes("?range=week"), asked_for.join());
    assert.equal(await page.locator("#said").textContent(), said);
    page.off("request", listen);
    await page.focus("#range-week");
    await page.keyboard.press("ArrowLeft");
  });
  await claim("an answer that comes late is not shown under what was chosen since", async () => {
    const labels = () => page.locator("#pods tr svg").evaluateAll((all) => all.map((svg) => svg.getAttribute("aria-label")));
    await page.route("**/api/v1/pods?metric=tcp_time_wait", async (route) => {
      await page.waitForTimeout(1500);
      await route.continue();
    });
    await page.selectOption("#metric", "tcp_time_wait");
    await page.waitForTimeout(200);
    await page.selectOption("#metric", "tcp_listen");
    const answer = page.waitForResponse(/metric=tcp_time_wait/);
    await page.waitForResponse(/metric=tcp_listen/);
    await until(page, () => document.querySelector("#pods tr svg").getAttribute("aria-label").startsWith("least"));
    await page.waitForTimeout(100);
    const wanted = await labels();
    await answer;
    await page.waitForTimeout(300);
    assert.deepEqual(await labels(), wanted);
    await page.unroute("**/api/v1/pods?metric=tcp_time_wait");
  });
  await claim("durations are what they are, to the minute", async () => {
    const said = await page.evaluate(() => [0, 99, 100, 5999, 6000, 7169, 7170, 7199, 7200, 172799, 172800].map(lasting));
    assert.deepEqual(said, ["0 s", "99 s", "2 min", "100 min", "1 h 40 min", "1 h 59 min", "2 h 0 min", "2 h 0 min", "2 h 0 min", "48 h 0 min", "2 days"]);
  });
  await claim("the cursor stays at its time when new readings come", async () => {
    await page.focus("#plot-tcp_listen");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    const heard = await page.locator("#plot-tcp_listen").getAttribute("aria-valuetext");
    const last = truth().hour.at(-1)[0];
    world.say("tick");
    await page.evaluate(() => { seen.hour = 0; });
    await until(page, (last) => Number(document.querySelector("#plot-tcp_listen svg").dataset.to) > last, last);
    assert.equal(await page.locator("#plot-tcp_listen").getAttribute("aria-valuetext"), heard);
  });
  await claim("where only pods are read there is no empty past of a host", async () => {
    await page.route("**/api/v1/now", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ json: { ...(await response.json()), scope: "pods" } });
    });
    await page.evaluate(() => poll());
    assert.ok(!(await page.locator("#past-section").isVisible()));
    await page.unroute("**/api/v1/now");
    await page.evaluate(() => poll());
    assert.ok(await page.locator("#past-section").isVisible());
  });
  await claim("a page that nobody looks at asks for nothing, and for everything when somebody does", async () => {
    const hide = (hidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await hide(true);
    await page.waitForTimeout(500);
    const before = asked.length;
    await page.waitForTimeout(3500);
    assert.equal(asked.length, before);
    await hide(false);
    await page.waitForResponse(/api\/v1\/now/);
  });
  await claim("no request went anywhere but to the agent, and each was a question", async () => {
    assert.ok(asked.length > 20);
    const elsewhere = asked.filter((url) => !url.startsWith(origin + "/") && url !== "data:,");
    assert.deepEqual(elsewhere, []);
    return `${asked.length} requests`;
  });
  await claim("the console has nothing to complain about", () => assert.deepEqual(complaints, []));
  await context.close();
  await seconds(`http://${world.address}`);
  await look(`http://${world.address}`);
  await world.end();
}

// An hour of seconds, in rows of six readings each, as /api/v1/history tells it.
async function seconds(origin) {
  const { context, page } = await browse({ viewport: { width: 1440, height: 900 } });
  const end = truth().hour.at(-1)[0];
  const rows = Array.from({ length: 600 }, (_, i) => [end - 6 * (599 - i), ...FIVE.map((_, cell) => [100 + cell, 101.5 + cell, 104 + cell]), 0]);
  rows[100][4] = [0, 160.2, 900];
  rows[200][6] = 1;
  // One gap from within a row to within another.
  rows[300][6] = 2;
  for (let i = 301; i < 310; i++) rows[i].fill(null, 1, 6)[6] = 6;
  rows[310][6] = 5;
  const hour = { range: "hour", cells: "least,average,most", step_seconds: 6, columns: ["time", ...FIVE, "missing"], rows };
  await page.route("**/api/v1/history?range=hour", (route) => route.fulfill({ json: hour }));
  await page.goto(origin);
  await until(page, () => document.querySelectorAll("#pods tr").length > 0);
  await claim("of an hour of seconds least, average and most are drawn, and no spike or gap is lost between", async () => {
    const { lines, bands, gaps, within } = await drawn(page, "tcp_close_wait");
    const wanted = [rows.slice(0, 301), rows.slice(310)].map((run) => run.map((row) => [row[0], row[4]]));
    wanted.forEach((run, i) => {
      same(lines[i], run.map(([time, spread]) => [time, spread[1]]), within, "the line");
      same(bands[i], run.map(([time, spread]) => [time, spread[2]]).concat(run.map(([time, spread]) => [time, spread[0]]).reverse()), within, "the band");
    });
    const holes = [[rows[200][0], 6], [rows[300][0], 66]];
    assert.equal(gaps.length, holes.length);
    // However short it is, it is as wide as a point of the screen.
    const least = within[0] / 0.02;
    gaps.forEach(([time, width], i) => assert.ok(Math.abs(time - holes[i][0]) < 1 && Math.abs(width - Math.max(least, holes[i][1])) < 1, `${time} ${width} for ${holes[i]}`));
    const sums = await page.locator(".sum").allTextContents();
    assert.equal(sums[3], "least 0, most 900, 2 gaps");
    assert.equal(await page.locator("#legend").textContent(), "Every 6 s of the hour: the line is the average, the band from the least to the most. Grey: nothing was counted, or not each time.");
    const heard = await said(page, "tcp_close_wait");
    assert.equal(heard[100], `${clock(rows[100][0])}: 160.2 on average, 0 to 900`);
    assert.equal(heard[200], `${clock(rows[200][0])}: 104.5 on average, 103 to 107, 1 not counted`);
    assert.equal(heard[305], `${clock(rows[305][0])}: nothing counted`);
    // Ten minutes ago there were 101.5 on average.
    assert.match(await page.locator("#tile-tcp_connections .change").textContent(), /^[▲▼] [\d,]+ in 10 min$/);
  });
  await context.close();
}

// Pictures of it, and what can be told of how it looks.
async function look(origin) {
  for (const [name, options] of [
    ["desktop", { viewport: { width: 1440, height: 900 } }],
    ["phone", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }],
  ]) {
    const { context, page } = await browse({ ...options, colorScheme: "light" });
    await page.goto(origin);
    await until(page, () => document.querySelectorAll("#pods tr").length > 0);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await claim(`${name}, ${colorScheme}: all text stands out from what is behind it`, async () => assert.deepEqual(await faint(page), []));
      await page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}.png`), fullPage: true });
    }
    await claim(`${name}: nothing is wider than the screen`, async () => {
      for (const width of name === "phone" ? [390, 360, 320] : [1440, 1024, 768]) {
        await page.setViewportSize({ width, height: 844 });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wide <= 0, `at ${width}: ${wide} too much`);
      }
    });
    if (name === "desktop") {
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.check("#range-week", { force: true });
      await until(page, () => document.querySelectorAll("#plot-tcp_listen .band").length > 0);
      await page.locator("#charts").screenshot({ path: join(PICTURES, "week.png") });
    }
    await context.close();
  }
}

// The one in the README: without names that nobody has.
async function picture() {
  const world = await serve("127.0.0.1:0", "plain");
  const { context, page } = await browse({ viewport: { width: 1280, height: 1290 }, deviceScaleFactor: 0.75, colorScheme: "light" });
  await page.goto(`http://${world.address}`);
  await until(page, () => document.querySelectorAll("#pods tr").length > 0);
  await page.screenshot({ path: join(PICTURES, "readme.png") });
  await context.close();
  await world.end();
}

try {
  await walk();
  await picture();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (failed) {
  console.log(`page: ${failed} claims do not hold`);
  process.exit(1);
}
