#include "monitor/fsm/ingest.h"

#include <algorithm>
#include <utility>

#include "monitor/fsm/amnesia.h"
#include "monitor/fsm/doubt.h"
#include "monitor/fsm/history.h"

namespace pgaf::fsm {
namespace {

constexpr std::size_t nodes_at_most = 32;
constexpr std::size_t refusals_kept = 64;
constexpr std::size_t runs_kept = 8;

std::string foreign_folder(const ClusterRecord& record, const NodeName& node, const SystemId& system) {
    return "the data folder of " + node.v + " belongs to another PostgreSQL cluster (system identifier " + system.v +
           ", cluster " + record.name.v + " has " + record.system_id.v +
           "); point pgdata at an empty folder, or move this one away";
}

/// Why this keeper is not served; empty when it is.
std::string refusal(const World& world, const Hello& hello) {
    const ClusterRecord& record = world.record;
    if (!is_valid_node_name(hello.node.v))
        return "not a node name: '" + hello.node.v + "'; use at most 24 of a-z, 0-9 and '-', beginning with a letter";
    if (hello.incarnation.empty() || hello.boot.empty())
        return "the keeper did not say its incarnation and boot: it is not a pgaf keeper of this version";
    if (std::find(record.dropped.begin(), record.dropped.end(), hello.incarnation) != record.dropped.end())
        return "node " + hello.node.v + " was dropped from cluster " + record.name.v +
               "; to add it again, remove its state folder and restart the keeper";
    if (!record.system_id.empty() && !hello.system_id.empty() && hello.system_id != record.system_id)
        return foreign_folder(record, hello.node, hello.system_id);
    for (const auto& [name, n] : record.nodes) {
        if (name == hello.node) continue;
        // A record that is behind may know the place by the name of a node that is gone.
        if (n.host == hello.host && n.port == hello.port && record.doubt.empty())
            return "node " + name.v + " already uses " + hello.host + ":" + std::to_string(hello.port) + "; give " +
                   hello.node.v + " its own host and port";
        if (n.incarnation == hello.incarnation)
            return "the state folder of " + hello.node.v + " is a copy of that of " + name.v +
                   "; give each node its own, empty when it is new";
    }
    const NodeView* v = world.view(hello.node);
    if (v && v->connected && v->boot != hello.boot && world.in_reach(hello.node) &&
        world.node(hello.node)->incarnation != hello.incarnation)
        return "another keeper is connected as " + hello.node.v + "; give each node its own name";
    // Its machine goes on sending what it has said, also when it has died. Against a newer run's word that would be
    // amnesia (R4). One that has answered is no such late word itself.
    if (v && v->hears && std::find(v->earlier_runs.begin(), v->earlier_runs.end(), hello.boot) != v->earlier_runs.end())
        return "a newer run of the keeper of " + hello.node.v + " has been heard since this one; restart the keeper";
    if (!record.nodes.contains(hello.node) && record.nodes.size() >= nodes_at_most)
        return "cluster " + record.name.v + " has its limit of " + std::to_string(nodes_at_most) + " nodes";
    return {};
}

/// A keeper that is turned away tries again every second: the event log hears of it once.
void turn_away(World& world, const NodeName& node, const BootId& boot, const std::string& why) {
    world.out.turned_away.push_back({node, boot, why});
    std::map<NodeName, std::string>& said = world.memory.last_refusals;
    if (const auto before = said.find(node); before != said.end() && before->second == why) return;
    if (said.size() >= refusals_kept) said.clear();
    said[node] = why;
    world.log("keeper_refused", node, why);
}

/// Another process of the node's keeper speaks from now on: what was counted of the one before is over.
void begin_run(NodeView& v, const BootId& boot, Millis now) {
    std::erase(v.earlier_runs, boot);
    if (!v.boot.empty()) v.earlier_runs.push_back(v.boot);
    if (v.earlier_runs.size() > runs_kept) v.earlier_runs.erase(v.earlier_runs.begin());
    v.boot = boot;
    v.hears = false;
    v.not_streaming_since.reset();
    v.seq = 0;
    v.boot_since = now;
    v.ran = false;
}

}  // namespace

void ingest(World& world, const SessionOpened& input) {
    const Hello& hello = input.hello;
    if (const std::string why = refusal(world, hello); !why.empty())
        return turn_away(world, hello.node, hello.boot, why);
    world.memory.last_refusals.erase(hello.node);
    const bool is_new = !world.record.nodes.contains(hello.node);
    NodeRecord& n = world.record.nodes[hello.node];
    NodeView& v = world.memory.views[hello.node];
    if (is_new) {
        if (world.record.nodes.size() == 1) world.memory.first_came = world.now;
        world.memory.last_came = world.now;
        n.name = hello.node;
        n.candidate_priority = hello.candidate_priority;
        n.replication_quorum = hello.replication_quorum;
        world.log("node_added", hello.node,
                  hello.node.v + " joins the cluster at " + hello.host + ":" + std::to_string(hello.port));
    }
    if (n.incarnation != hello.incarnation) {
        if (!is_new)
            world.log("node_incarnation", hello.node, hello.node.v + " has a new data folder",
                      "incarnation " + hello.incarnation.v + ", was " + n.incarnation.v);
        n.incarnation = hello.incarnation;
        n.said = {};
        n.put_back.clear();
        v.high = {};
        v.promotion_failed = false;
    }
    if (!is_new && (n.host != hello.host || n.port != hello.port))
        world.log("node_moved", hello.node,
                  hello.node.v + " is now at " + hello.host + ":" + std::to_string(hello.port));
    n.host = hello.host;
    n.port = hello.port;
    // How long it has been starting is known only as long as it is heard.
    v.starting_since.reset();
    if (v.boot != hello.boot) begin_run(v, hello.boot, world.now);
    v.connected = true;
    v.heard = world.now;
    v.closed.reset();
    v.report.reset();
    v.promise.reset();
    v.sent.reset();
    v.probe.reset();
    v.distrust = n.put_back;
}

void ingest(World& world, const SessionClosed& input) {
    const auto found = world.memory.views.find(input.node);
    if (found == world.memory.views.end() || found->second.boot != input.boot || !found->second.connected) return;
    found->second.connected = false;
    found->second.closed = world.now;
    // Whatever the standbys saw before, they look again now.
    if (input.node == world.record.primary)
        for (auto& [name, v] : world.memory.views) v.probe_asked = {};
    world.log("keeper_lost", input.node, "the session with the keeper of " + input.node.v + " ended");
}

namespace {

/// Since when the primary's walsenders have not shown each node streaming.
void note_streams(World& world, const Report& primary) {
    for (auto& [name, n] : world.record.nodes) {
        NodeView& v = world.memory.views[name];
        const bool streams =
            std::any_of(primary.standbys.begin(), primary.standbys.end(),
                        [&id = n.incarnation](const WalsenderView& w) { return w.incarnation == id && w.streaming; });
        if (streams)
            v.not_streaming_since.reset();
        else if (!v.not_streaming_since)
            v.not_streaming_since = world.now;
    }
}

/// How far the primary is known to have come, and which lease it holds by now.
void note_primary(World& world, const NodeRecord& n, const Report& r) {
    if (r.promised == n.goal.stamp && n.goal.lease > Millis{0}) world.record.lease_told = n.goal.lease;
    const WalPosition end = r.status == PgStatus::stopped ? complete_end(r) : flushed_end(r);
    const bool wrote = r.status == PgStatus::stopped || (r.status == PgStatus::running && !r.in_recovery);
    WalPosition& known = world.memory.primary_end;
    if (!wrote || end.lsn.empty() || !on_history(world.record, r)) return;
    if (known.timeline.empty() || before(world.record, known, end)) known = end;
}

void learn(World& world, NodeRecord& n, const Report& r) {
    ClusterRecord& record = world.record;
    const bool told = world.told(n);
    if (told && record.system_id.empty() && !r.system_id.empty()) record.system_id = r.system_id;
    if (told && record.history.empty() && !r.timeline.empty() && r.status == PgStatus::running) {
        // The timelines that an adopted folder brings along are as old as the cluster.
        for (std::size_t i = 0; i < r.forks.size(); ++i)
            record.history.push_back({r.forks[i].timeline, Epoch{}, i == 0 ? Lsn{} : r.forks[i - 1].end, {}});
        record.history.push_back({r.timeline, record.epoch, r.forks.empty() ? Lsn{} : r.forks.back().end, {}});
        record.highest_timeline = r.timeline;
    }
    if (!record.history.empty()) learn_from(record, r);
    if (told) note_primary(world, n, r);
}

void forget_dropped(World& world, const NodeRecord& n) {
    const NodeName name = n.name;
    turn_away(world, name, world.view(name)->boot,
              "node " + name.v + " was dropped from cluster " + world.record.name.v +
                  "; to add it again, remove its state folder and restart the keeper");
    std::vector<IncarnationId>& dropped = world.record.dropped;
    dropped.push_back(n.incarnation);
    if (dropped.size() > dropped_kept) dropped.erase(dropped.begin());
    world.record.nodes.erase(name);
    world.memory.views.erase(name);
}

}  // namespace

void ingest(World& world, const ReportReceived& input) {
    const Report& r = input.report;
    // Whatever becomes of it: the keeper is told that it was heard, and its lease counts from when it was sent (R7).
    if (r.node == world.record.primary && r.incarnation == world.record.primary_incarnation)
        world.memory.primary_answered = world.now;
    const auto found = world.record.nodes.find(r.node);
    const auto view = world.memory.views.find(r.node);
    if (found == world.record.nodes.end() || view == world.memory.views.end()) return;
    NodeRecord& n = found->second;
    NodeView& v = view->second;
    if (!v.connected || v.boot != r.boot || n.incarnation != r.incarnation) return;
    if (r.seq <= v.seq) return;  // late or repeated
    v.seq = r.seq;
    v.reported = world.now;
    v.ran = v.ran || (r.status == PgStatus::running && !r.in_recovery);
    if (!world.record.system_id.empty() && !r.system_id.empty() && r.system_id != world.record.system_id) {
        return turn_away(world, r.node, r.boot, foreign_folder(world.record, r.node, r.system_id));
    }
    v.heard = world.now;
    // Dropped by a record that this one does not remember.
    if (r.goal && r.goal->role == Role::dropped && r.goal->incarnation == n.incarnation && !n.drop_wanted &&
        world.record.doubt.empty())
        return forget_dropped(world, n);
    // The whole goal comes along until it has heard an answer: a report without it is one of a keeper that hears.
    if (!r.goal && !r.promised.version.empty()) v.hears = true;
    if (r.goal) v.promise = r.goal;
    if (r.promised == n.goal.stamp) v.promise.reset();
    if (const std::string why = ahead_of_record(world, n, r);
        !why.empty() && (world.record.doubt.empty() || binding(world)))
        begin_doubt(world, r.node, why);
    note_bound(world, r);
    if (!r.self_fenced.empty() && !(v.report && v.report->self_fenced == r.self_fenced))
        world.log("self_fenced", r.node, r.node.v + " has fenced itself: " + r.self_fenced, {}, "R8");
    if (!r.replay_resumed.empty() && !(v.report && v.report->replay_resumed == r.replay_resumed))
        world.log("replay_resumed", r.node, r.node.v + ": " + r.replay_resumed);
    v.distrust = amnesia(world.record, n, v, r);
    v.report = r;
    v.report->goal.reset();
    if (r.status != PgStatus::starting)
        v.starting_since.reset();
    else if (!v.starting_since)
        v.starting_since = world.now;
    if (!v.distrust.empty()) {
        if (std::exchange(n.put_back, v.distrust).empty())
            world.log("amnesia", r.node, r.node.v + " has forgotten what it said", v.distrust, "R4");
        return;
    }
    // What runs before this monitor has told it so was running already. Standbys that it has told to start prove
    // nothing.
    if (r.status == PgStatus::running && (!v.told || !r.in_recovery)) world.memory.found_running = true;
    n.said.promised = r.promised;
    // R12: what WAL was kept aside, and where, is told once; by an event log that is another one than then, once more.
    if (!r.rebuilt.empty() && std::exchange(n.said.rebuilt, r.rebuilt) != r.rebuilt)
        world.log("node_rebuilt", r.node, r.node.v + " was " + r.rebuilt,
                  world.record.doubt.empty() ? "" : "said while the record is in doubt: it may be long ago", "R12");
    remember_end(world, n, v, r);
    if (!world.record.doubt.empty() && !binding(world)) return;
    learn(world, n, r);
    if (world.told(n) && r.status == PgStatus::running && !r.in_recovery) note_streams(world, r);
    distrust_put_back_primary(world);
}

void ingest(World& world, const ProbeAnswered& input) {
    const auto found = world.memory.views.find(input.by);
    if (found == world.memory.views.end() || !found->second.connected) return;
    if (input.result.target != world.record.primary) {
        // Of nodes of this cluster only: what a keeper may name has no bound.
        if (input.result.port == PortState::answers && world.node(input.result.target))
            found->second.reaches[input.result.target] = world.now;
        return;
    }
    // A late answer to an earlier look says nothing of what the primary does now.
    if (input.result.probe < found->second.first_probe) return;
    found->second.probe = input.result;
    found->second.probe_answered = world.now;
    found->second.heard = world.now;
}

}  // namespace pgaf::fsm
