#include "monitor/fsm/opening.h"

#include <algorithm>

#include "common/mutation.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/quorum.h"

namespace pgaf::fsm {
namespace {

/// The smallest segment size that initdb makes. R6 needs a bound that is never larger than the real one, which the
/// heart does not know; a survivor that is held back without need enters by R3 a moment later.
constexpr std::uint64_t segment_bytes = 1024 * 1024;
}  // namespace

bool follows_without_hole(const World& world, const Report& survivor, const Report& chosen) {
    if (broken(Mutation::r6_hole)) return true;
    if (!on_history(world.record, survivor) || survivor.timeline != chosen.timeline) return false;
    if (complete_end(survivor).lsn > complete_end(chosen).lsn) return false;
    // A receiver asks from the start of the segment in which its WAL ends, and gets nothing before that: the fork has
    // to lie in it. What ends exactly on a boundary, torn, is asked for from there on, and so lacks what precedes it.
    return flushed_end(survivor).lsn.v / segment_bytes <= complete_end(chosen).lsn.v / segment_bytes;
}

SyncRule opening_rule(const World& world, const NodeName& chosen) {
    const Report* candidate = world.report(chosen);
    SyncRule rule;
    const bool asynchronous = world.record.settings.asynchronous;
    for (const auto& [name, n] : world.record.nodes) {
        const bool may = asynchronous ? world.may_be_candidate(n) : world.may_be_member(n);
        if (name == chosen || !may || !fenced(world, n) || !world.in_reach(name)) continue;
        const Report* r = world.report(name);
        if (r->status == PgStatus::running && r->in_recovery && follows_without_hole(world, *r, *candidate))
            rule.members.push_back(n.incarnation);
    }
    std::sort(rule.members.begin(), rule.members.end());
    if (asynchronous) return rule;
    const std::uint32_t wanted = world.number_sync_standbys();
    rule.k = wanted > 0 ? wanted : std::min<std::uint32_t>(1, static_cast<std::uint32_t>(rule.members.size()));
    return rule;
}

}  // namespace pgaf::fsm
