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

}  // namespace

const NodeRecord* first_primary(const World& world) {
    const NodeRecord* best = nullptr;
    // Names come in their order, so the first of equals wins.
    const auto key = [&](const NodeRecord& n) {
        // Whoever has less of the same data would take the others' away.
        const Report& r = *world.report(n.name);
        return std::tuple{!r.system_id.empty(), r.timeline, complete_end(r).lsn, n.candidate_priority};
    };
    for (const auto& [name, n] : world.record.nodes)
        if (unfit(world, n).empty() && (!best || key(n) > key(*best))) best = &n;
    return best;
}

Millis forms_at(const World& world) {
    const Millis limit =
        world.memory.first_came + Millis{static_cast<std::int64_t>(world.record.settings.node_timeout_ms)};
    return std::min(world.memory.last_came + Millis{newcomers_ms}, limit);
}

std::string waiting_to_form(const World& world) {
    if (world.record.nodes.empty()) return "no node has registered yet";
    if (first_primary(world) || world.now < forms_at(world)) return {};
    std::string why;
    for (const auto& [name, n] : world.record.nodes) why += (why.empty() ? "" : "; ") + name.v + ": " + unfit(world, n);
    return "the cluster can't begin, for no node may be its first primary (" + why +
           "); start a node with a candidate-priority above 0";
}

}  // namespace pgaf::fsm
