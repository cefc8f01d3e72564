#include "monitor/fsm/summary.h"

#include <algorithm>

#include "monitor/fsm/choice.h"
#include "monitor/fsm/doubt.h"
#include "monitor/fsm/forming.h"
#include "monitor/fsm/forward.h"
#include "monitor/fsm/goals.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/lease.h"
#include "monitor/fsm/quorum.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

/// How far a standby is behind the primary's last report.
std::optional<std::uint64_t> lag_of(const World& world, const NodeRecord& n) {
    const Report* p = world.primary_live();
    const Report* r = world.report(n.name);
    if (!p || !r || world.told(n) || r->timeline != p->timeline) return std::nullopt;
    const std::uint64_t end = std::max(r->end, r->complete).v;
    return p->end.v - std::min(p->end.v, end);
}

std::optional<Millis> time_lag_of(const World& world, const NodeRecord& n) {
    const Report* p = world.primary_live();
    if (!p) return std::nullopt;
    for (const WalsenderView& w : p->standbys)
        if (w.incarnation == n.incarnation) return w.replay_lag;
    return std::nullopt;
}

bool is_well(const World& world, const NodeRecord& n) {
    const Report* r = world.live(n.name);
    if (!r || !world.in_reach(n.name) || !r->problem.empty() || !r->disk.empty()) return false;
    const NodeState state = reported_state(world, n);
    if (world.told(n))
        return state == NodeState::primary || state == NodeState::single || state == NodeState::wait_primary;
    return state == NodeState::secondary;
}

/// A keeper that another cluster had before keeps that one's promise, over new data too (R2).
std::string refuses_goals(const World& world, const NodeRecord& n) {
    const NodeView* v = world.view(n.name);
    const Report* r = world.live(n.name);
    if (!r || !v->sent || may_follow(r->promised, n.goal.stamp)) return {};
    return "its keeper has promised epoch " + std::to_string(r->promised.epoch.v) + ", monitor term " +
           std::to_string(r->promised.term.v) +
           ", to another cluster and refuses the goals of this one; stop it, empty its state folder, and start it "
           "again";
}

NodeSummary summarize_node(const World& world, const NodeRecord& n) {
    const NodeView* v = world.view(n.name);
    NodeSummary s;
    s.name = n.name;
    s.host = n.host;
    s.port = n.port;
    s.incarnation = n.incarnation;
    s.state = reported_state(world, n);
    s.assigned = n.goal.assigned;
    s.candidate_priority = n.candidate_priority;
    s.replication_quorum = n.replication_quorum;
    s.maintenance = n.maintenance;
    s.primary = world.told(n);
    s.healthy = is_well(world, n);
    s.in_sync_rule = !world.record.rules.empty() && !world.newest_rule().rule.asynchronous() &&
                     world.newest_rule().rule.contains(n.incarnation);
    s.connected = v && v->connected;
    if (v && v->heard) s.seen = world.now - *v->heard;
    if (v && !v->distrust.empty()) s.problem = v->distrust;
    if (const Report* r = world.report(n.name)) {
        s.lsn = std::max(r->end, r->complete);
        s.timeline = r->timeline;
        s.lag_bytes = lag_of(world, n);
        if (!s.primary) s.lag = time_lag_of(world, n);
        s.doing = r->doing.empty() && !s.primary ? waits_to_join(world, n) : r->doing;
        if (s.problem.empty()) s.problem = r->problem;
        if (s.problem.empty()) s.problem = r->disk;
        s.pg_version = r->pg_version;
    }
    if (s.problem.empty()) s.problem = refuses_goals(world, n);
    if (!s.connected && s.problem.empty()) s.problem = "its keeper is not connected";
    if (s.problem.empty() &&
        world.silence(n.name).v >= static_cast<std::int64_t>(world.record.settings.node_timeout_ms))
        s.problem = "its keeper has not been heard for " + seconds(world.silence(n.name));
    return s;
}

/// Could the cluster lose its primary now and go on by itself?
void readiness(const World& world, Summary& s) {
    for (const auto& [name, n] : world.record.nodes) {
        const Report* r = world.live(name);
        if (world.told(n) || !world.may_be_candidate(n) || !world.in_reach(name)) continue;
        if (r->status == PgStatus::running && r->in_recovery && r->disk.empty() && on_history(world.record, *r) &&
            within_allowed_loss(world, *r))
            s.candidates.push_back(name);
    }
    const bool asynchronous =
        std::any_of(world.record.rules.begin(), world.record.rules.end(), [&](const NamedRule& n) {
            return n.rule.nobody_may_follow() || (n.rule.asynchronous() && !world.record.settings.asynchronous);
        });
    if (!world.record.doubt.empty())
        s.why_not_ready = "the monitor's record is in doubt, and nothing is decided";
    else if (world.record.nodes.size() < 2)
        s.why_not_ready = "the cluster has only one node";
    else if (world.record.phase != Phase::steady)
        s.why_not_ready = "a change of primary is under way";
    else if (s.candidates.empty())
        s.why_not_ready = "no standby that may be promoted runs and is in reach" +
                          std::string(asynchronous_in_force(world) ? ", within maximum-lag-on-failover" : "");
    else if (asynchronous)
        s.why_not_ready = "commits are acknowledged without a standby until one has caught up and is in the sync rule";
    else if (!reachable_nodes_can_complete(world))
        s.why_not_ready = "too few members of the sync rule are in reach: " + missing(world);
    else if (world.too_many_failovers())
        s.why_not_ready = "as many failovers as failover-limit allows in ten minutes have been made";
    s.failover_ready = s.why_not_ready.empty();
    if (!s.failover_ready) s.candidates.clear();
}

}  // namespace

NodeState reported_state(const World& world, const NodeRecord& n) {
    const Report* r = world.report(n.name);
    if (n.maintenance) return NodeState::maintenance;
    if (!r) return world.told(n) && !world.record.rules.empty() ? NodeState::demoted : NodeState::init;
    if (n.goal.role == Role::dropped) return NodeState::dropped;
    switch (r->status) {
        case PgStatus::unknown:
        case PgStatus::absent:
            return NodeState::init;
        case PgStatus::stopping:
            return NodeState::draining;
        case PgStatus::stopped:
        case PgStatus::stuck:
            return NodeState::demoted;
        case PgStatus::starting:
            return n.goal.role == Role::primary ? NodeState::prepare_promotion : NodeState::catchingup;
        case PgStatus::running:
            break;
    }
    if (!r->in_recovery) {
        if (!world.told(n)) return NodeState::draining;
        return r->writable ? primary_word(world.record) : NodeState::prepare_promotion;
    }
    if (n.goal.role == Role::primary) return NodeState::prepare_promotion;
    if (n.goal.role == Role::fast_forward) return NodeState::fast_forward;
    if (r->fenced) return NodeState::report_lsn;
    const bool streams = r->receiver.streaming && r->receiver.upstream == world.record.primary;
    const Report* p = world.primary_live();
    const bool member = !world.record.rules.empty() && world.newest_rule().rule.contains(n.incarnation);
    // In an asynchronous cluster the rule names candidates, whatever counts elsewhere (R7).
    const bool counts = world.record.settings.asynchronous ? world.may_be_candidate(n) : n.replication_quorum;
    const bool caught_up = member || (!counts && p && lag_of(world, n).value_or(~0ULL) < 16777216);
    return streams && caught_up ? NodeState::secondary : NodeState::catchingup;
}

namespace {

/// A standby that has just been pointed at its primary is on its way; nobody need be told that writes wait for it.
constexpr std::int64_t connects_within_ms = 1000;
constexpr const char* without = "'pgafctl perform failover --allow-data-loss' goes on without";
constexpr const char* nobody_may =
    ", and no node in reach may be promoted: raise a candidate-priority, or start a standby that has the cluster's WAL";
/// What the last primary has may be all that is left.
constexpr const char* with_its_folder =
    "if none of them can be, keep its data folder, move only its state folder away, start it again, and 'pgafctl "
    "perform failover --allow-data-loss' takes what it has";

/// Why the last primary can't go on by itself; empty when it may well.
std::string trouble_with_primary(const World& world) {
    const ClusterRecord& record = world.record;
    const NodeRecord* p = world.primary();
    const NodeView* v = world.view(record.primary);
    const Report* r = world.primary_live();
    if (p && p->incarnation != record.primary_incarnation)
        return "the data folder of " + record.primary.v + " was lost or replaced";
    if (v && !v->distrust.empty())
        return record.primary.v + " has forgotten what it said (" + v->distrust.substr(0, v->distrust.find(';')) + ")";
    if (world.silence(record.primary).v > static_cast<std::int64_t>(record.settings.node_timeout_ms))
        return record.primary.v + " is out of reach";
    if (r && r->status == PgStatus::stuck) return "PostgreSQL on " + record.primary.v + " answers no query";
    if (r && !world.primary_serves() && !r->problem.empty()) return record.primary.v + ": " + r->problem;
    return {};
}

/// Nodes in reach whose PostgreSQL takes no connections yet: their fence is on its way, and bounded.
std::string still_starting(const World& world) {
    std::vector<NodeName> names;
    for (const auto& [name, n] : world.record.nodes)
        if (const Report* r = world.live(name); r && r->status == PgStatus::starting && name != world.record.primary)
            names.push_back(name);
    if (names.empty()) return {};
    return " " + join(names) + (names.size() == 1 ? " is" : " are") +
           " still starting, and will be stopped if that takes longer than " +
           seconds(Millis{comes_up_within * static_cast<std::int64_t>(world.record.settings.node_timeout_ms)}) +
           ", so that the end of WAL can be read.";
}

/// Loss was accepted, but not of what nodes in reach have.
std::string waiting_by_word(const World& world) {
    const auto& operation = world.record.operation;
    if (!operation || !operation->allow_data_loss) return {};
    const std::vector<NodeName> names = awaited_by_word(world);
    if (names.empty()) {
        const std::vector<NodeName> kept = on_history_but_no_candidates(world);
        return kept.empty()
                   ? ""
                   : "data loss is allowed, but " + join(kept) +
                         " has what the cluster acknowledged and may not be promoted (candidate-priority 0, or "
                         "leaving): raise its candidate-priority, or take it out of reach to go on without it";
    }
    const bool one = names.size() == 1;
    return "data loss is allowed, but " + join(names) + (one ? " is" : " are") +
           " in reach and may have what would be lost: the failover goes on as soon as " + (one ? "its" : "their") +
           " end of WAL is known, or without " + (one ? "it" : "them") + " once another node has been ready for " +
           seconds(Millis{word_waits_ms(world)});
}

/// R7: the old primary may still acknowledge.
std::string waiting_for_lease(const World& world, bool counts_down) {
    const std::optional<Millis> at = lease_over_at(world);
    if (!asynchronous_in_force(world) || !at || lease_certainly_over(world)) return {};
    const std::string whose = world.record.primary.v + "'s lease";
    if (counts_down) return whose + " runs out in " + seconds(*at - world.now);
    return "every candidate is fenced; " + whose + " has certainly run out " + seconds(lease_wait(world)) +
           " after it was last answered and the last of them was fenced (R7)";
}

/// R7: all is fenced, and nobody is near enough to what the old primary had.
std::string lacking_too_much(const World& world) {
    if (!asynchronous_in_force(world)) return {};
    std::string text;
    for (const auto& [name, n] : world.record.nodes) {
        const Report* r = world.live(name);
        if (world.told(n) || !r || !world.in_reach(name) || !world.can_be_candidate(n)) continue;
        if (within_allowed_loss(world, *r)) return {};
        const std::optional<std::uint64_t> lacking = bytes_lacking(world, *r);
        text += (text.empty() ? "" : ", ") + name.v + " lacks " +
                (lacking ? std::to_string(*lacking) + " bytes" : "an amount that is not known");
    }
    if (text.empty()) return {};
    return "no candidate is within maximum-lag-on-failover = " +
           std::to_string(world.record.settings.maximum_lag_on_failover) + " bytes of what is known of " +
           world.record.primary.v + "'s WAL: " + text;
}

std::string waiting_in_election(const World& world, bool counts_down) {
    const std::int64_t here = (world.now - world.memory.phase_since).v;
    if (waits_for_exit(world))
        return here > 1000 ? world.record.primary.v + " has been told to stop, and is still going down" : "";
    if (const auto& forward = world.record.forward; forward_under_way(world) && here > 1000)
        return forward->node.v + " streams what it lacks from " + forward->source.v + ", up to " +
               forward->until.text();
    if (const std::string word = waiting_by_word(world); !word.empty() && here > 1000) return word;
    if (const std::string lease = waiting_for_lease(world, counts_down);
        !world.memory.complete_since && !lease.empty() && here > 1000)
        return "epoch " + std::to_string(world.record.epoch.v) + " can't be elected yet: " + lease;
    if (const std::string much = lacking_too_much(world); world.memory.complete_since && !much.empty() && here > 2000)
        return much + ". Bring " + world.record.primary.v + " back; " + without;
    if (!world.memory.complete_since && here > 1000)
        return "epoch " + std::to_string(world.record.epoch.v) + " can't be elected yet: " + missing(world) + "." +
               still_starting(world) + " Bring one of them back; " + without;
    if (const auto names = complete_but_no_candidates(world); !names.empty() && here > 2000)
        return join(names) +
               " has all that is needed and may not be promoted (candidate-priority 0, or leaving), and no candidate "
               "can get it; raise its candidate-priority";
    if (const NodeName only = lacks_only_unacknowledged(world); !only.empty() && here > 2000)
        return only.v +
               " lacks only WAL that was not acknowledged, of a node chosen before it: bring that one back, or go on "
               "without; 'pgafctl perform failover"
               " --allow-data-loss' loses nothing that was acknowledged";
    if (world.memory.complete_since && here > 2000)
        return "no fenced node may be promoted: each lacks WAL that may have been acknowledged, or may not be a "
               "candidate (needed: " +
               (world.record.floor.timeline.empty() ? std::string("all of ") + world.record.primary.v
                                                    : text(world.record.floor)) +
               "). Bring the others back; " + without;
    return {};
}

/// Writes wait although the primary runs: the sync rule asks for more standbys than stream.
std::string waiting_for_standbys(const World& world) {
    const SyncRule& rule = world.newest_rule().rule;
    const auto streaming = std::count_if(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& e) {
        const NodeView* v = world.view(e.first);
        return rule.contains(e.second.incarnation) && v &&
               (!v->not_streaming_since || (world.now - *v->not_streaming_since).v < connects_within_ms);
    });
    if (!world.primary_runs() || rule.k <= streaming) return {};
    return "writes wait for " + std::to_string(rule.k) + (rule.k == 1 ? " standby" : " standbys") +
           " of the sync rule, " + std::to_string(streaming) + (streaming == 1 ? " streams" : " stream") +
           "; bring a standby back, or lower number-sync-standbys";
}

}  // namespace

std::string waiting_text(const World& world, bool counts_down) {
    const ClusterRecord& record = world.record;
    if (!record.doubt.empty()) return doubt_text(world);
    if (record.phase == Phase::forming) return waiting_to_form(world);
    if (record.phase == Phase::electing) return waiting_in_election(world, counts_down);
    if (const std::string trouble = trouble_with_primary(world); !trouble.empty()) {
        if (world.too_many_failovers())
            return trouble +
                   ", and as many failovers as failover-limit allows in ten minutes have been made: look for what "
                   "kills primaries, then 'pgafctl perform failover'";
        const NodeView* v = world.view(record.primary);
        const bool forgot = v && !v->distrust.empty();
        if (const std::string much = lacking_too_much(world); reachable_nodes_can_complete(world) && !much.empty())
            return trouble + ", and " + much + ". Bring it back; " + without;
        if (reachable_nodes_can_complete(world))
            return forgot && !somebody_can_take_over(world) ? trouble + nobody_may : std::string{};
        return trouble + ", and nobody can take over: " + missing(world) + ". Bring one of them back; " +
               (forgot ? with_its_folder : without);
    }
    return waiting_for_standbys(world);
}

Summary summarize(const Heart& heart, Millis now) {
    // A World over copies: nothing of the heart can change here.
    ClusterRecord record = heart.record();
    Memory memory = heart.memory();
    Output out;
    const World world{record, memory, now, out};
    Summary s;
    s.cluster = record.name;
    s.epoch = record.epoch;
    s.term = record.term;
    s.timeline = record.history.empty() ? Timeline{} : record.history.back().timeline;
    s.system_id = record.system_id;
    s.phase = record.phase;
    s.primary = record.primary;
    s.failover_off = world.too_many_failovers();
    s.waiting = waiting_text(world, true);
    for (const auto& [name, n] : record.nodes) s.nodes.push_back(summarize_node(world, n));
    s.has_writable_primary = !record.primary.empty() && world.primary_serves() && world.in_reach(record.primary);
    if (record.rules.empty()) {
        s.why_not_ready = "the cluster is still being formed";
        return s;
    }
    s.standby_names = standby_names(record, world.newest_rule().rule);
    readiness(world, s);
    const bool all_well =
        std::all_of(s.nodes.begin(), s.nodes.end(), [](const NodeSummary& n) { return n.healthy || n.maintenance; });
    s.healthy = all_well && s.has_writable_primary && record.phase == Phase::steady && record.rules.size() == 1 &&
                s.waiting.empty();
    return s;
}

}  // namespace pgaf::fsm
