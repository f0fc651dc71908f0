
"use strict";
// From values to words, and from words to nodes. Whatever has been named by somebody else goes through `plain` and becomes text.

const $ = (id) => document.getElementById(id);

const FIVE = [
  ["tcp_connections", "Connections"],
  ["tcp_established", "Established"],
  ["tcp_time_wait", "TIME_WAIT"],
  ["tcp_close_wait", "CLOSE_WAIT"],
  ["tcp_listen", "Listening"],
];
const ICONS = { ok: "✓", info: "i", warning: "!", critical: "✕", unknown: "?" };

// What no eye can see, or what turns the order of letters around, is shown by its number.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const plain = (text) => String(text).replace(UNSEEN, (c) => "‹U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "›");

const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const count = (value) => (value === null || value === undefined ? "–" : numbers.format(value));
const sockets = (value) => (value === null ? "nothing counted" : count(value) + (value === 1 ? " socket" : " sockets"));

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "short" });

// A moment, with its day unless that is today.
function moment(ms, format = clock) {
  const date = new Date(ms);
  return (date.toDateString() === new Date(agentNow()).toDateString() ? "" : day.format(date) + " ") + format.format(date);
}

function lasting(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return s + " s";
  if (s < 100 * 60) return Math.round(s / 60) + " min";
  const whole = Math.round(s / 60);
  if (s < 48 * 3600) return Math.floor(whole / 60) + " h " + (whole % 60) + " min";
  return Math.floor(s / 86400) + " days";
}

// Where connections are: their port, if they came in, and a peer.
function place({ local_port, peer, peer_port }) {
  const to = peer !== null && peer_port !== null ? (peer.includes(":") ? "[" + peer + "]" : peer) + ":" + peer_port : peer;
  return (local_port === null ? "" : ", port " + local_port) + (to === null ? "" : ", peer " + to);
}

function bytes(value) {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])
    if (value >= size) return (value / size).toFixed(1) + " " + unit;
  return value + " bytes";
}

function short(seconds) {
  return seconds < 0.001 ? (seconds * 1e6).toFixed(0) + " µs" : seconds < 1 ? (seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0) + " ms" : seconds.toFixed(1) + " s";
}

// Nodes are made once and changed in place, and only where something is another: nothing flickers, and focus and selection stay.
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
function name(node, className) {
  if (node.getAttribute("class") !== className) node.setAttribute("class", className);
}
function attribute(node, key, value) {
  if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value);
}
function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}
function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
const SVG = document.querySelector("svg").namespaceURI;
function draw(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  return node;
}

// Makes the children of `parent` those of `items`: each has a node of its own for as long as it is among them.
function list(parent, items, key, create, update) {
  const had = parent.nodes || (parent.nodes = new Map());
  const has = new Map();
  const focused = document.activeElement;
  let before = null;
  for (const item of items) {
    const id = key(item);
    if (has.has(id)) continue;
    const node = had.get(id) || create(item);
    update(node, item);
    has.set(id, node);
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== node) parent.insertBefore(node, place);
    before = node;
  }
  for (const [id, node] of had) if (!has.has(id)) node.remove();
  parent.nodes = has;
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}
