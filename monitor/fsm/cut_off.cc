#include "monitor/fsm/cut_off.h"

#include <algorithm>
#include <vector>

#include "monitor/fsm/history.h"

namespace pgaf::fsm {
namespace {

/// After the network itself has shown it: a walsender is given up only when its standby has been silent for long.
std::int64_t patience(const World& world) {
    return static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
}

bool streams_not(const World& world, const NodeName& name) {
    const NodeView* v = world.view(name);
    return v && v->not_streaming_since && (world.now - *v->not_streaming_since).v >= patience(world);
}

/// It runs, what it says is fresh, and fewer nodes stream from it than its commits wait for.
bool primary_waits(const World& world) {
    const std::uint32_t k = world.record.rules.empty() ? 0 : world.newest_rule().rule.k;
    const bool fresh =
        world.silence(world.record.primary).v < 2 * static_cast<std::int64_t>(world.record.settings.heartbeat_ms);
    if (world.record.phase != Phase::steady || k == 0 || world.number_sync_standbys() == 0 || !fresh) return false;
    const auto streaming = std::count_if(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
        return entry.first != world.record.primary && !streams_not(world, entry.first);
    });
    return world.primary_runs() && static_cast<std::uint32_t>(streaming) < k;
}

/// Standbys that are well, and say as the primary does that nothing comes from it.
std::vector<const NodeRecord*> survivors(const World& world) {
    std::vector<const NodeRecord*> all;
    for (const auto& [name, n] : world.record.nodes) {
        const Report* r = world.live(name);
        if (name == world.record.primary || !world.may_be_member(n) || !world.in_reach(name)) continue;
        const bool receives = r->receiver.streaming && r->receiver.upstream == world.record.primary;
        if (r->status == PgStatus::running && r->in_recovery && r->disk.empty() && on_history(world.record, *r) &&
            !receives && streams_not(world, name))
            all.push_back(&n);
    }
    return all;
}

bool reaches(const World& world, const NodeName& from, const NodeName& to) {
    const auto& seen = world.view(from)->reaches;
    const auto found = seen.find(to);
    return found != seen.end() && (world.now - found->second).v < patience(world);
}

}  // namespace

Verdict cut_off_verdict(const World& world) {
    if (!primary_waits(world)) return {};
    const std::vector<const NodeRecord*> all = survivors(world);
    Verdict verdict;
    for (const NodeRecord* n : all) {
        std::vector<NodeName> others;
        for (const NodeRecord* other : all)
            if (other != n && reaches(world, n->name, other->name)) others.push_back(other->name);
        if (!world.may_be_candidate(*n) || others.size() < world.newest_rule().rule.k) continue;
        verdict.lost = true;
        verdict.evidence += (verdict.evidence.empty() ? "it runs, and for " + seconds(Millis{patience(world)}) +
                                                            " fewer standbys have streamed from it than its commits "
                                                            "wait for; they are well: "
                                                      : "; ") +
                            n->name.v + " reaches " + join(others);
    }
    return verdict;
}

void look_at_survivors(World& world) {
    if (!primary_waits(world)) return;
    const std::vector<const NodeRecord*> all = survivors(world);
    const Millis heartbeat{world.record.settings.heartbeat_ms};
    for (const NodeRecord* n : all) {
        NodeView& v = world.memory.views[n->name];
        if (all.size() < 2 || (v.peers_asked.v != 0 && world.now < v.peers_asked + heartbeat)) continue;
        v.peers_asked = world.now;
        for (const NodeRecord* other : all)
            if (other != n)
                world.out.probes.push_back({n->name, ++world.memory.last_probe, other->name, other->host, other->port,
                                            Millis{std::max<std::int64_t>(patience(world) / 5, 50)}});
    }
}

}  // namespace pgaf::fsm
