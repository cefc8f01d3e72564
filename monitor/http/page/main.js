// The status page: follows one cluster and shows what the monitor says of it.
import { EventList, showSettings } from "./events.js";
import { Live } from "./live.js";
import { clock, element, put } from "./text.js";
import { Topology } from "./topology.js";
import { verdict, VerdictView } from "./verdict.js";

const byId = (id) => document.getElementById(id);
const page = {
  cluster: byId("cluster"), empty: byId("empty"), lost: byId("lost"), clusters: byId("clusters"),
  connection: byId("connection-text"), announcer: byId("announcer"),
};
const verdictView = new VerdictView(byId("verdict"));
const topology = new Topology(byId("topology"));
const events = new EventList(byId("events"), byId("no-events"), byId("more-events"));

let chosen = "";        // the cluster that is followed
let names = [];         // all that the monitor has
let state = null;       // the last one of the chosen cluster
let decides = true;
let connected = null;
let heard = null;       // when the monitor's last word came
let said = "";
let settled = false;    // the events that the stream began with have been shown

const live = new Live({
  alive(data) {
    heard = new Date();
    names = data.clusters;
    const changed = decides !== data.decides;
    decides = data.decides;
    choose();
    showClusters();
    if (changed) show();
    // The first sign of life comes before the first events; the second one after them.
    if (state) setTimeout(() => { settled = true; }, 1000);
  },
  state(data) {
    heard = new Date();
    state = data;
    show();
  },
  event(data) { events.add(data, settled); },
  gap() { events.clear(); },
  connection(now) {
    connected = now;
    document.body.dataset.connection = now;
    show();
  },
});

/** What the address names; nothing when it is no text. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  } catch {
    return "";
  }
}

/** Which cluster: what the address names, else the first. */
function choose() {
  const asked = addressed();
  const next = names.includes(asked) ? asked : (names[0] ?? "");
  if (next !== chosen) {
    chosen = next;
    state = null;
    settled = false;
    topology.clear();
    events.clear();
  }
  live.follow(chosen ? `/api/v1/clusters/${encodeURIComponent(chosen)}/stream` : "/api/v1/stream");
  showEmpty();
}

function showEmpty() {
  page.cluster.hidden = !state;
  page.empty.hidden = Boolean(state) || connected !== "live" || names.length > 0;
  put(byId("empty-title"), "No cluster yet");
  put(byId("empty-text"), "A cluster begins when the keeper of its first node connects. Start one with this monitor's address.");
}

function showClusters() {
  page.clusters.hidden = names.length < 2;
  const same = [...page.clusters.children].map((link) => link.textContent).join("\n") === names.join("\n");
  if (!same) {
    page.clusters.replaceChildren(...names.map((name) => {
      const link = element("a", "", name);
      link.href = `#/${encodeURIComponent(name)}`;
      return link;
    }));
  }
  for (const link of page.clusters.children) {
    if (link.textContent === chosen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function show() {
  showEmpty();
  showConnection();
  if (!state) return;
  const found = current();
  put(byId("cluster-name"), state.cluster);
  verdictView.show(found);
  document.title = `${found.title} – ${state.cluster} – pgaf`;
  say(found);
  if (connected === "lost") return topology.freeze();
  verdictView.showFacts(state);
  topology.update(state, heard);
  showSettings(byId("setting-rows"), state.settings);
}

/** What was known before is not shown as the present. */
function current() {
  if (connected === "lost") {
    return { tone: "unknown", title: "State unknown",
      text: `The monitor does not answer. What is below was so at ${clock(heard)}; databases go on without the monitor, failovers don't.` };
  }
  return verdict(decides ? state : { ...state, decides: false });
}

function showConnection() {
  put(page.connection, { live: decides ? "Live" : "Live, decides nothing", lost: "Connection lost" }[connected] ?? "Connecting");
  const lost = connected === "lost";
  if (page.lost.hidden === lost) {
    page.lost.hidden = !lost;
    put(byId("lost-title"), lost ? "No connection to the monitor." : "");
  }
  showLostSince();
}

function showLostSince() {
  if (connected !== "lost") return;
  const since = heard ? `Last heard at ${clock(heard)}. ` : "";
  put(byId("lost-text"), `${since}Trying again.`);
}

/** Tells a screen reader what has changed, not what goes on as before. */
function say(found) {
  const roles = state.nodes.map((node) => `${node.name} ${node.primary ? "primary" : "standby"}, ${node.state}`).join("; ");
  const text = `${found.title}. ${roles}.`;
  if (text === said) return;
  const first = said === "";
  said = text;
  if (!first) put(page.announcer, `Cluster ${state.cluster}: ${text}`);
}

addEventListener("hashchange", () => { choose(); showClusters(); show(); });
setInterval(() => {
  // A state that is not news any more must not look as if it were: ages stand still with the connection.
  if (connected !== "live" || !state) return;
  topology.tick(Date.now());
}, 1000);

live.follow("/api/v1/stream");
showConnection();
