#include "monitor/fsm/choice.h"

#include <algorithm>
#include <vector>

#include "monitor/fsm/history.h"

namespace pgaf::fsm {
namespace {

/// PostgreSQL's default segment size; R6 only needs a bound that is never larger than the real one.
constexpr std::uint64_t segment_bytes = 16ULL * 1024 * 1024;

struct Candidate {
    const NodeRecord* node;
    const Report* report;
};

/// R5's order: latest epoch of its timeline, then priority, then most WAL, then least left to replay, then name.
bool better(const World& world, const Candidate& a, const Candidate& b) {
    const auto key = [&](const Candidate& c) {
        const Lsn end = flushed_end(*c.report).lsn;
        const std::uint64_t to_replay = end.v - std::min(end.v, c.report->replayed.v);
        return std::tuple{epoch_of(world.record, c.report->timeline), c.node->candidate_priority, end, ~to_replay};
    };
    if (key(a) != key(b)) return key(a) > key(b);
    return a.node->name < b.node->name;
}

/// Highest end of complete records among the fenced members of the rules in force.
WalPosition required_by_fences(const World& world) {
    WalPosition highest = world.record.floor;
    for (const auto& [name, n] : world.record.nodes) {
        const bool member = std::any_of(world.record.rules.begin(), world.record.rules.end(),
                                        [&](const NamedRule& named) { return named.rule.contains(n.incarnation); });
        if (!member || !fenced(world, n)) continue;
        const Report* r = world.report(name);
        if (on_history(world.record, *r) && before(world.record, highest, complete_end(*r))) highest = complete_end(*r);
    }
    return highest;
}

std::vector<Candidate> fenced_candidates(const World& world) {
    std::vector<Candidate> all;
    for (const auto& [name, n] : world.record.nodes) {
        if (name == world.record.primary && n.incarnation == world.record.primary_incarnation) continue;
        if (world.may_be_candidate(n) && fenced(world, n) && on_history(world.record, *world.report(name)))
            all.push_back({&n, world.report(name)});
    }
    std::sort(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) { return better(world, a, b); });
    // A switchover's candidate goes first, provided that it is as new as the others.
    std::stable_partition(all.begin(), all.end(), [&](const Candidate& c) { return c.node->name == world.record.preferred; });
    return all;
}

std::optional<Choice> old_primary(const World& world, const std::string& evidence) {
    const NodeRecord* p = world.primary();
    const Report* r = world.primary_live();
    if (!p || !r || p->maintenance || p->drop_wanted) return std::nullopt;
    if (!on_history(world.record, *r)) return std::nullopt;
    return Choice{p->name, true, complete_end(*r), evidence};
}

}  // namespace

std::optional<Choice> choose(const World& world, bool data_loss_allowed) {
    const Completeness complete = completeness(world);
    if (!complete.any() && !data_loss_allowed) return std::nullopt;

    if (complete.by_promise) {
        if (auto same = old_primary(world, "it has promised the epoch and runs on: a false alarm (R4)")) return same;
    }

    if (complete.by_fences || complete.by_exit || data_loss_allowed) {
        WalPosition required = complete.by_fences ? required_by_fences(world) : world.record.floor;
        const Report* old = world.primary_live();
        // Where only its own exit completes R4, or where it went down in order, nothing of its tail may be left behind.
        if (complete.by_exit && (!complete.by_fences || (world.record.planned && old->clean_shutdown)))
            required = complete_end(*old);
        for (const Candidate& c : fenced_candidates(world)) {
            const bool enough = contains(world.record, *c.report, required) && contains(world.record, *c.report, world.record.floor);
            if (!enough && !data_loss_allowed) continue;
            return Choice{c.node->name, false, required,
                          std::string(complete.by_fences ? "enough members of every rule are fenced"
                                                         : complete.by_exit ? "the old primary has exited"
                                                                            : "DATA LOSS ALLOWED by the operator") +
                              "; end of WAL " + text(flushed_end(*c.report)) + ", needed " + text(required)};
        }
    }
    if (complete.by_exit || complete.by_promise) {
        const Report* old = world.primary_live();
        if (old && old->leaving) return std::nullopt;
        return old_primary(world, "no other node has all of its WAL (R4, second form)");
    }
    return std::nullopt;
}

bool follows_without_hole(const World& world, const Report& survivor, const Report& chosen) {
    if (!on_history(world.record, survivor) || survivor.timeline != chosen.timeline) return false;
    const std::uint64_t fork = complete_end(chosen).lsn.v;
    // The last byte of the last complete record lies in this segment.
    const std::uint64_t segment = fork == 0 ? 0 : (fork - 1) / segment_bytes;
    const std::uint64_t flushed = flushed_end(survivor).lsn.v;
    return flushed == 0 || (flushed - 1) / segment_bytes <= segment;
}

SyncRule opening_rule(const World& world, const NodeName& chosen) {
    const Report* candidate = world.report(chosen);
    SyncRule rule;
    for (const auto& [name, n] : world.record.nodes) {
        if (name == chosen || !world.may_be_member(n) || !fenced(world, n) || !world.in_reach(name)) continue;
        const Report* r = world.report(name);
        if (r->status == PgStatus::running && r->in_recovery && follows_without_hole(world, *r, *candidate))
            rule.members.push_back(n.incarnation);
    }
    std::sort(rule.members.begin(), rule.members.end());
    const std::uint32_t wanted = world.number_sync_standbys();
    rule.k = wanted > 0 ? wanted : std::min<std::uint32_t>(1, static_cast<std::uint32_t>(rule.members.size()));
    return rule;
}

SwitchoverTarget switchover_target(const World& world, const NodeName& wanted) {
    const Report* p = world.primary_live();
    std::vector<Candidate> ready;
    std::string why_not = "there is no other node";
    for (const auto& [name, n] : world.record.nodes) {
        if (name == world.record.primary || (!wanted.empty() && name != wanted)) continue;
        const Report* r = world.live(name);
        const std::uint64_t lag = r && p ? p->end.v - std::min(p->end.v, std::min(r->end, r->replayed).v) : 0;
        if (!world.may_be_candidate(n)) why_not = name.v + " may not be promoted (candidate priority 0, maintenance, or leaving)";
        else if (!world.in_reach(name)) why_not = name.v + " is not in reach of the monitor";
        else if (r->status != PgStatus::running || !r->in_recovery) why_not = name.v + " does not run as a standby";
        else if (!r->receiver.streaming || r->receiver.upstream != world.record.primary)
            why_not = name.v + " does not stream from " + world.record.primary.v;
        else if (lag > world.record.settings.switchover_max_lag_bytes)
            why_not = name.v + " lags by " + std::to_string(lag) + " bytes (switchover_max_lag_bytes = " +
                      std::to_string(world.record.settings.switchover_max_lag_bytes) + ")";
        else ready.push_back({&n, r});
    }
    if (ready.empty()) return {{}, why_not};
    const auto best = std::min_element(ready.begin(), ready.end(), [&](const Candidate& a, const Candidate& b) { return better(world, a, b); });
    return {best->node->name, {}};
}

}  // namespace pgaf::fsm
