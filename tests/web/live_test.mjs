// The status page's connection to the monitor, without a browser: what it does when a connection says nothing any more,
// and when a cluster is refused. Time is moved by hand. Usage: node --test live_test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

const source = readFileSync(new URL("../../monitor/http/page/live.js", import.meta.url), "utf8");
const { Live } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const cluster = "/api/v1/clusters/default/stream";
const monitor = "/api/v1/stream";
let sources, said, now, timers;

/** Lets the time pass that the page sees; each timer when it is due. */
function pass(ms) {
  const end = now + ms;
  for (;;) {
    const due = timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
    if (!due) break;
    now = due.at;
    if (due.every) due.at += due.every;
    else timers.splice(timers.indexOf(due), 1);
    due.call();
  }
  now = end;
}
function timer(call, ms, every) {
  const made = { call, at: now + ms, every };
  timers.push(made);
  return made;
}
const RealDate = Date;
class FakeDate extends RealDate {
  constructor() { super(now); }
  static now() { return now; }
}

class FakeSource {
  static CLOSED = 2;
  constructor(path) {
    Object.assign(this, { path, readyState: 1, listeners: {} });
    sources.push(this);
  }
  addEventListener(type, call) { this.listeners[type] = call; }
  close() { this.readyState = FakeSource.CLOSED; }
  says(type, data = {}, lastEventId = "") { this.listeners[type]({ data: JSON.stringify(data), lastEventId }); }
  refused() { this.readyState = FakeSource.CLOSED; this.onerror(); }
}

Object.assign(globalThis, {
  EventSource: FakeSource,
  Date: FakeDate,
  setInterval: (call, ms) => timer(call, ms, ms),
  setTimeout: (call, ms) => timer(call, ms),
  clearTimeout: (made) => { timers = timers.filter((each) => each !== made); },
  addEventListener() {},
  document: { addEventListener() {} },
});
beforeEach(() => {
  sources = [];
  said = [];
  timers = [];
  now = 1_000_000;
});

function live(on = {}) {
  return new Live({ alive() {}, state() {}, event() {}, gap() {}, connection: (now) => said.push(now), ...on });
}
const open = () => sources.filter((each) => each.readyState !== FakeSource.CLOSED);
const newest = () => sources[sources.length - 1];

test("a connection that falls silent is lost, and made anew from where it stopped", () => {
  live().follow(cluster);
  newest().says("event", { seq: 7 }, "7");
  assert.deepEqual(said, ["live"]);
  pass(5900);
  assert.equal(sources.length, 1);
  pass(700);
  assert.deepEqual(said, ["live", "lost"]);
  assert.deepEqual(open().map((each) => each.path), [`${cluster}?after=7`]);
  // Again and again, as long as nobody answers; one at a time.
  pass(20_000);
  assert.ok(sources.length >= 4, `${sources.length} connections`);
  assert.equal(open().length, 1);
  newest().says("alive");
  assert.deepEqual(said, ["live", "lost", "live"]);
  // What an earlier one says late is not listened to.
  sources[0].says("event", { seq: 99 }, "99");
  pass(7000);
  assert.equal(newest().path, `${cluster}?after=7`);
});

test("signs of life keep a connection", () => {
  live().follow(cluster);
  for (let second = 0; second < 60; second += 2) {
    newest().says("alive");
    pass(2000);
  }
  assert.equal(sources.length, 1);
  assert.deepEqual(said, ["live"]);
});

test("of a cluster that is refused the monitor's own stream tells whether it is there again", () => {
  let names = [];
  const it = live({ alive: () => it.follow(names.length ? cluster : monitor) });
  it.follow(cluster);
  newest().says("event", { seq: 7 }, "7");
  newest().refused();
  assert.deepEqual(said, ["live", "lost"]);
  pass(2000);
  assert.deepEqual(open().map((each) => each.path), [monitor]);
  // Refused as well: asked again.
  newest().refused();
  pass(2000);
  assert.deepEqual(open().map((each) => each.path), [monitor]);
  names = ["default"];
  newest().says("alive");
  assert.deepEqual(open().map((each) => each.path), [`${cluster}?after=7`]);
  assert.deepEqual(said, ["live", "lost"]);
  newest().says("alive");
  assert.deepEqual(said, ["live", "lost", "live"]);
  // Gone for good: the monitor is there all the same.
  names = [];
  newest().refused();
  pass(2000);
  newest().says("alive");
  newest().says("alive");
  assert.deepEqual(open().map((each) => each.path), [monitor]);
  assert.equal(said[said.length - 1], "live");
});
