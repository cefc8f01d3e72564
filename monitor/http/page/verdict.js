// What the cluster's state amounts to, in one line and in a few facts.
import { element, icon, listed, put, putPlain, sentence } from "./text.js";

/** {tone, title, text}. `tone` chooses colour and shape; the title says the same in words. */
export function verdict(state) {
  if (!state.decides) {
    return { tone: "bad", title: "The monitor decides nothing",
      text: sentence(state.waiting || "It is stopping; failover is not possible until it runs again") };
  }
  if (state.phase === "forming") {
    return { tone: "busy", title: "Being formed", text: sentence(state.waiting || "The first node becomes the primary") };
  }
  if (state.phase !== "steady") {
    return { tone: "busy", title: state.phase === "draining" ? "Switchover under way" : "Change of primary under way",
      text: sentence(state.waiting || phases[state.phase] || "A new primary is on its way") };
  }
  if (!state.has_writable_primary) {
    return { tone: "bad", title: "No primary takes writes", text: sentence(state.waiting || "The monitor has noticed, and acts") };
  }
  if (state.waiting) return { tone: "warn", title: "Waiting", text: sentence(state.waiting) };
  const serves = `${state.primary} takes writes.`;
  if (!state.healthy) return { tone: "warn", title: "Not healthy", text: `${serves} ${sentence(troubles(state))}` };
  if (!state.failover_ready) {
    return { tone: "warn", title: "Healthy, but no failover is possible", text: `${serves} ${sentence(state.why_not_ready)}` };
  }
  return { tone: "ok", title: "Healthy", text: `${serves} ${listed(state.failover_candidates, "or")} can take over.` };
}

const phases = {
  draining: "The old primary hands over, and is being stopped",
  electing: "The monitor looks for the node that has every acknowledged commit",
  promoting: "The chosen node is being promoted",
};

function troubles(state) {
  const problems = state.nodes.filter((node) => node.problem).map((node) => `${node.name}: ${node.problem}`);
  if (problems.length) return problems.join("; ");
  const busy = state.nodes.filter((node) => !node.healthy && !node.maintenance)
    .map((node) => `${node.name} is ${node.state}${node.doing ? ` (${node.doing})` : ""}`);
  return busy.length ? busy.join("; ") : "the sync rule is being changed";
}

/** Rows of name, value and, where it says more, a symbol. */
function facts(state) {
  const ready = state.failover_ready;
  return [
    { name: "Failover", value: ready ? "Ready" : "Not possible", note: ready ? `to ${listed(state.failover_candidates, "or")}` : state.why_not_ready,
      tone: ready ? "ok" : "warn", wide: true },
    { name: "Sync rule", value: state.standby_names || "none",
      note: state.standby_names ? "who confirms a commit" : "commits wait for no standby", mono: Boolean(state.standby_names), wide: true },
    { name: "Epoch", value: String(state.epoch), note: "changes of primary" },
    { name: "Timeline", value: state.timeline ? String(state.timeline) : "–", note: "of PostgreSQL" },
  ];
}

export class VerdictView {
  constructor(root) {
    this.root = root;
    this.title = root.querySelector("#verdict-title");
    this.text = root.querySelector("#verdict-text");
    this.use = root.querySelector("#verdict-use");
    this.facts = root.querySelector("#facts");
    this.rows = new Map();
  }

  show(found) {
    this.root.dataset.tone = found.tone;
    this.use.setAttribute("href", `#icon-${found.tone}`);
    put(this.title, found.title);
    put(this.text, found.text);
  }

  showFacts(state) {
    for (const fact of facts(state)) this.#row(fact);
  }

  #row(fact) {
    let row = this.rows.get(fact.name);
    if (!row) {
      const box = element("div", `fact${fact.wide ? " fact-wide" : ""}`);
      const value = element("dd", "fact-value");
      row = { box, value, words: element("span"), note: element("dd", "fact-note"), tone: null };
      value.append(row.words);
      box.append(element("dt", "", fact.name), value, row.note);
      this.facts.append(box);
      this.rows.set(fact.name, row);
    }
    if (fact.tone !== row.tone) {
      row.tone = fact.tone;
      row.box.dataset.tone = fact.tone ?? "";
      row.value.querySelector("svg")?.remove();
      if (fact.tone) row.value.prepend(icon(fact.tone));
    }
    row.value.classList.toggle("mono", Boolean(fact.mono));
    putPlain(row.words, fact.value);
    put(row.note, fact.note ?? "");
  }
}
