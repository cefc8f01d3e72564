// The event log: the newest first, each with its evidence.
import { clock, day, element, icon, put, putPlain } from "./text.js";

const kept = 200;
const first = 12;

const moves = new Set(["failover_started", "failover_finished", "switchover_started", "switchover_epoch", "switchover_finished",
  "switchover_undone", "node_chosen", "primary_chosen_again", "primary_started", "primary_restarted", "primary_goes_on",
  "cluster_formed", "timeline_assigned", "fast_forward"]);
const troubles = new Set(["keeper_lost", "loss_possible", "amnesia", "self_fenced", "store_behind", "timeline_clash",
  "replication_degraded", "switchover_failed", "keeper_refused", "waiting", "sync_rule_withdrawn"]);

function sort(kind) {
  if (troubles.has(kind)) return { symbol: "warn", words: "Trouble" };
  if (moves.has(kind)) return { symbol: "move", words: "Change of primary" };
  return { symbol: "note", words: "Note" };
}

export class EventList {
  constructor(root, none, more) {
    this.root = root;
    this.none = none;
    this.more = more;
    more.addEventListener("click", () => {
      const all = root.classList.toggle("events-all");
      more.setAttribute("aria-expanded", String(all));
      put(more, all ? "Show the newest only" : "Show older events");
    });
    this.newest = 0;
    this.clear();
  }

  clear() {
    this.newest = 0;
    this.root.replaceChildren();
    this.none.hidden = false;
    this.more.hidden = true;
  }

  /** In the log's order. What is there already is not shown twice. */
  add(event, isNew) {
    if (event.seq <= this.newest) return;
    this.newest = event.seq;
    this.none.hidden = true;
    this.root.prepend(this.#item(event, isNew));
    while (this.root.children.length > kept) this.root.lastElementChild.remove();
    this.more.hidden = this.root.children.length <= first;
  }

  #item(event, isNew) {
    const { symbol, words } = sort(event.kind);
    const when = new Date(event.unix_ms);
    const item = element("li", isNew ? "event event-new" : "event");
    item.dataset.kind = event.kind;
    item.dataset.sort = symbol;
    const mark = element("span", "event-mark");
    mark.append(icon(symbol), element("span", "unseen", `${words}: `));
    const time = element("time", "event-time");
    time.dateTime = when.toISOString();
    time.append(element("span", "event-clock", clock(when)));
    if (day(when) !== day(new Date())) time.append(element("span", "event-day", day(when)));
    const body = element("div", "event-body");
    const line = element("p", "event-message");
    putPlain(line, event.message);
    const details = element("p", "event-details");
    details.append(element("span", "tag mono", event.kind));
    if (event.node) details.append(element("span", "", event.node));
    details.append(element("span", "", `epoch ${event.epoch}`));
    body.append(line, details);
    if (event.evidence || event.rule) body.append(this.#evidence(event));
    item.append(mark, time, body);
    return item;
  }

  #evidence(event) {
    const box = element("details", "evidence");
    const summary = element("summary", "", "Evidence");
    summary.append(element("span", "unseen", ` of ${event.kind}, event ${event.seq}`));
    box.append(summary);
    if (event.rule) {
      const rule = element("p", "evidence-rule", "Rule ");
      rule.append(element("span", "mono", event.rule));
      box.append(rule);
    }
    if (event.evidence) box.append(element("p", "evidence-text mono", event.evidence));
    return box;
  }
}

export function showSettings(rows, settings) {
  while (rows.children.length > settings.length) rows.lastElementChild.remove();
  settings.forEach((setting, place) => {
    let row = rows.children[place];
    if (!row) {
      row = element("tr");
      const name = element("th", "mono");
      name.scope = "row";
      row.append(name, element("td", "mono"), element("td"));
      rows.append(row);
    }
    [setting.name, setting.value, setting.meaning].forEach((text, column) => put(row.children[column], text));
  });
}
