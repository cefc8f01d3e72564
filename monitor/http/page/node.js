// One node's card: its role and state, how far behind it is, and what is wrong with it.
import { bytes, clock, element, icon, postgres, put, span, svg } from "./text.js";

/** How a standby follows: what its arrow and its card say. */
export function replication(node) {
  if (node.primary) return null;
  const streams = node.state === "secondary" || node.state === "catchingup";
  if (!streams || !node.connected) return { kind: "none", words: "not replicating" };
  const words = node.in_sync_rule ? "synchronous" : "asynchronous";
  return { kind: node.in_sync_rule ? "sync" : "async", words: node.state === "catchingup" ? `${words}, catching up` : words };
}

function serves(node) {
  return node.connected && ["primary", "single", "wait_primary"].includes(node.state);
}

function tone(node) {
  if (node.maintenance) return "warn";
  if (node.problem || !node.connected) return "bad";
  if (node.state !== node.assigned) return "busy";
  return node.healthy ? "ok" : "busy";
}

const kept = 120_000;
const width = 132, height = 30;

/** The lag of the last two minutes, collected while the page is open. */
class Sparkline {
  constructor() {
    this.samples = [];
    this.root = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false",
      preserveAspectRatio: "none" });
    this.area = svg("path", { class: "spark-area" });
    this.line = svg("path", { class: "spark-line", "vector-effect": "non-scaling-stroke" });
    this.root.append(svg("path", { class: "spark-base", d: `M0 ${height - 1}H${width}`, "vector-effect": "non-scaling-stroke" }),
      this.area, this.line);
  }

  add(value, now) {
    const last = this.samples[this.samples.length - 1];
    // Four a second are enough; a value that is not known breaks the line.
    if (last && now - last.at < 250 && (last.value === null) === (value === null)) last.value = Math.max(last.value, value);
    else this.samples.push({ at: now, value });
    while (this.samples.length && now - this.samples[0].at > kept) this.samples.shift();
  }

  get most() { return Math.max(0, ...this.samples.map((sample) => sample.value ?? 0)); }

  draw(now) {
    // Below 64 kB all is well: a line at the bottom, not mountains made of single records.
    const top = Math.max(this.most, 65536);
    const x = (at) => (width * (1 - (now - at) / kept)).toFixed(1);
    const y = (value) => (height - 2 - (height - 5) * value / top).toFixed(1);
    let line = "", area = "", from = null, last = null;
    const close = () => { if (from !== null) area += `L${last} ${height - 1}L${from} ${height - 1}Z`; from = null; };
    for (const { at, value } of this.samples) {
      if (value === null) { close(); continue; }
      const begins = from === null;
      if (begins) from = x(at);
      last = x(at);
      line += `${begins ? "M" : "L"}${last} ${y(value)}`;
      area += `${begins ? "M" : "L"}${last} ${y(value)}`;
    }
    close();
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}

export class NodeCard {
  constructor(name) {
    this.name = name;
    this.seen = null;
    this.root = element("li", "node");
    this.root.dataset.node = name;
    this.root.setAttribute("aria-label", name);
    this.spark = new Sparkline();
    this.values = new Map();
    this.#build();
  }

  #build() {
    const head = element("div", "node-head");
    this.badge = element("p", "badge");
    this.state = element("span", "badge-state");
    this.badge.append(icon("unknown"), this.state);
    this.role = element("p", "node-role");
    const title = element("h3", "node-name", this.name);
    this.address = element("p", "node-address mono");
    const names = element("div", "node-names");
    names.append(this.role, title, this.address);
    head.append(names, this.badge);
    this.assigned = element("p", "node-assigned");
    this.problem = element("p", "node-problem");
    this.doing = element("p", "node-doing");
    this.lag = element("div", "node-lag");
    const words = element("p", "lag-words");
    this.lagBytes = element("span", "lag-bytes");
    this.lagTime = element("span", "lag-time");
    words.append(element("span", "lag-name", "Lag"), this.lagBytes, this.lagTime);
    const chart = element("div", "lag-chart");
    this.lagMost = element("span", "lag-most");
    chart.append(this.spark.root, this.lagMost);
    this.lag.append(words, chart);
    this.list = element("dl", "node-values");
    this.root.append(head, this.assigned, this.doing, this.problem, this.lag, this.list);
  }

  #value(name, value, mono = false) {
    let shown = this.values.get(name);
    if (!shown) {
      shown = element("dd", mono ? "mono" : "");
      const box = element("div");
      box.append(element("dt", "", name), shown);
      this.list.append(box);
      this.values.set(name, shown);
    }
    put(shown, value);
  }

  update(node, at) {
    const how = replication(node);
    const now = at.getTime();
    this.root.dataset.tone = tone(node);
    this.root.dataset.primary = String(node.primary);
    this.badge.querySelector("use").setAttribute("href", `#icon-${tone(node)}`);
    put(this.role, node.primary ? (serves(node) ? "Primary" : "Last primary") : `Standby, ${how.words}`);
    put(this.address, `${node.host}:${node.port}`);
    put(this.state, node.state);
    this.#line(this.assigned, node.assigned === node.state ? "" : `assigned: ${node.assigned}`);
    this.#line(this.doing, node.doing);
    this.#line(this.problem, node.problem);
    this.lag.hidden = node.primary;
    this.spark.add(node.primary ? null : node.lag_bytes, now);
    if (!node.primary) {
      put(this.lagBytes, bytes(node.lag_bytes));
      put(this.lagTime, node.lag_ms === null ? "" : span(node.lag_ms));
    }
    this.#value("WAL position", node.lsn, true);
    this.#value("Timeline", node.timeline ? String(node.timeline) : "–");
    this.#value("Priority", String(node.candidate_priority));
    this.#value("In quorum", node.replication_quorum ? "yes" : "no");
    this.#value("PostgreSQL", postgres(node.pg_version));
    this.seen = node.seen_ms === null ? null : now - node.seen_ms;
    this.tick(now);
  }

  #line(node, text) {
    put(node, text ?? "");
    node.hidden = !text;
  }

  /** Nothing is heard any more: what is shown was so once. */
  freeze() {
    this.badge.querySelector("use").setAttribute("href", "#icon-unknown");
    this.#value("Heard", this.seen === null ? "never" : clock(new Date(this.seen)));
  }

  /** What changes with time alone. */
  tick(now) {
    this.#value("Heard", this.seen === null ? "never" : ago(now - this.seen));
    if (this.lag.hidden) return;
    this.spark.draw(now);
    put(this.lagMost, `2 min, up to ${bytes(this.spark.most)}`);
  }
}

function ago(ms) {
  return ms < 2000 ? "just now" : `${span(Math.floor(ms / 1000) * 1000).replace(".0", "")} ago`;
}
