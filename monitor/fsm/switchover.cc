#include "monitor/fsm/switchover.h"

#include <algorithm>
#include <vector>

#include "monitor/fsm/choice.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

/// In flush or in replay, whichever is more. Both sides are taken from one report of the primary where it shows them:
/// two reports made at different times would show a lag that is none.
std::uint64_t lag_of(const Report& primary, const NodeRecord& n, const Report& standby) {
    Lsn has = std::min(standby.end, standby.replayed);
    for (const WalsenderView& w : primary.standbys)
        if (w.incarnation == n.incarnation) has = std::max(has, std::min(w.flushed, w.replayed));
    return primary.end.v - std::min(primary.end.v, has.v);
}

}  // namespace

SwitchoverTarget switchover_target(const World& world, const NodeName& wanted) {
    const Report* p = world.primary_live();
    std::vector<const NodeRecord*> ready;
    std::string why_not = "there is no other node";
    for (const auto& [name, n] : world.record.nodes) {
        if (name == world.record.primary || (!wanted.empty() && name != wanted)) continue;
        const Report* r = world.live(name);
        const std::uint64_t lag = r && p ? lag_of(*p, n, *r) : 0;
        if (!world.may_be_candidate(n))
            why_not = name.v + " may not be promoted (candidate priority 0, maintenance, or leaving)";
        else if (!world.in_reach(name))
            why_not = name.v + " is not in reach of the monitor";
        else if (r->status != PgStatus::running || !r->in_recovery)
            why_not = name.v + " does not run as a standby";
        else if (!r->receiver.streaming || r->receiver.upstream != world.record.primary)
            why_not = name.v + " does not stream from " + world.record.primary.v;
        else if (!r->disk.empty())
            why_not = name.v + ": " + r->disk;
        else if (lag > world.record.settings.switchover_max_lag_bytes)
            why_not = name.v + " lags by " + std::to_string(lag) + " bytes (switchover_max_lag_bytes = " +
                      std::to_string(world.record.settings.switchover_max_lag_bytes) + ")";
        else if (const std::vector<NodeName> missing = peers_without_slot(world, n, *r); !missing.empty())
            why_not = name.v + " has no replication slots for " + join(missing) + " yet";
        else
            ready.push_back(&n);
    }
    if (ready.empty()) return {{}, why_not};
    const auto best = std::min_element(ready.begin(), ready.end(),
                                       [&](const NodeRecord* a, const NodeRecord* b) { return better(world, *a, *b); });
    return {(*best)->name, {}};
}

}  // namespace pgaf::fsm
