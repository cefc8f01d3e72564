#include "monitor/fsm/forming.h"

#include <algorithm>
#include <tuple>

#include "monitor/fsm/history.h"

namespace pgaf::fsm {
namespace {

constexpr std::int64_t newcomers_ms = 500;

/// Why the cluster can't begin with this node; empty when it can.
std::string unfit(const World& world, const NodeRecord& n) {
    const Report* r = world.live(n.name);
    if (!r) return "its keeper is not connected";
    if (!r->problem.empty()) return r->problem;
    if (r->status == PgStatus::unknown)
        return "its keeper has not found out yet what PostgreSQL does (is its launcher running?)";
    if (!r->system_id.empty() && complete_end(*r).lsn.empty()) return "the end of its WAL is not known yet";
    if (n.candidate_priority == 0) return "its candidate-priority is 0";
    return world.may_be_candidate(n) ? "" : "it is leaving, in maintenance or to be dropped";
}

/// Everything that `other` has, too: its way through the timelines goes over the point where the other's WAL ends.
bool has_all_of(const Report& node, const Report& other) {
    const Lsn end = complete_end(other).lsn;
    if (other.timeline == node.timeline) return other.forks == node.forks && end <= complete_end(node).lsn;
    return std::any_of(node.forks.begin(), node.forks.end(),
                       [&](const TimelineFork& f) { return f.timeline == other.timeline && end <= f.end; });
}

/// The fit node with the newest data; its data may not be all that there is.
const NodeRecord* best_fit(const World& world) {
    const NodeRecord* best = nullptr;
    // Names come in their order, so the first of equals wins.
    const auto key = [&](const NodeRecord& n) {
        const Report& r = *world.report(n.name);
        return std::tuple{!r.system_id.empty(), r.timeline, complete_end(r).lsn, n.candidate_priority};
    };
    for (const auto& [name, n] : world.record.nodes)
        if (unfit(world, n).empty() && (!best || key(n) > key(*best))) best = &n;
    return best;
}

/// A node whose data a cluster that begins with `best` would take away, and how to go on; empty when there is none.
std::string data_at_stake(const World& world, const NodeRecord& best) {
    const Report& b = *world.report(best.name);
    for (const auto& [name, n] : world.record.nodes) {
        const Report* r = world.live(name);
        if (name == best.name || !r || r->system_id.empty()) continue;
        const std::string why = unfit(world, n);
        const std::string but = why.empty() ? "" : ", and can't begin the cluster: " + why;
        if (b.system_id.empty()) return name.v + " has data" + but;
        if (b.system_id != r->system_id)
            return best.name.v + " and " + name.v +
                   " bring data of different PostgreSQL clusters (system identifiers " + b.system_id.v + " and " +
                   r->system_id.v + "): move the data folder of one of them away";
        if (!has_all_of(b, *r))
            return name.v + " has WAL up to " + text(complete_end(*r)) + " that " + best.name.v + ", with " +
                   text(complete_end(b)) + ", has not" + but + ". To begin without it, move the data folder of " +
                   name.v + " away";
    }
    return {};
}

}  // namespace

const NodeRecord* first_primary(const World& world) {
    const NodeRecord* best = best_fit(world);
    return best && data_at_stake(world, *best).empty() ? best : nullptr;
}

Millis forms_at(const World& world) {
    const Millis limit =
        world.memory.first_came + Millis{static_cast<std::int64_t>(world.record.settings.node_timeout_ms)};
    return std::min(world.memory.last_came + Millis{newcomers_ms}, limit);
}

std::string waiting_to_form(const World& world) {
    if (world.record.nodes.empty()) return "no node has registered yet";
    if (first_primary(world) || world.now < forms_at(world)) return {};
    if (const NodeRecord* best = best_fit(world)) return "the cluster can't begin: " + data_at_stake(world, *best);
    std::string why;
    for (const auto& [name, n] : world.record.nodes) why += (why.empty() ? "" : "; ") + name.v + ": " + unfit(world, n);
    return "the cluster can't begin, for no node may be its first primary (" + why +
           "); mend what is named, or start a node with a candidate-priority above 0";
}

}  // namespace pgaf::fsm
