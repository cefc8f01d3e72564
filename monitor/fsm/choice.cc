#include "monitor/fsm/choice.h"

#include <algorithm>
#include <vector>

#include "common/mutation.h"
#include "monitor/fsm/forward.h"
#include "monitor/fsm/goals.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/lease.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {

bool better(const World& world, const NodeRecord& a, const NodeRecord& b) {
    const auto key = [&](const NodeRecord& n) {
        const Report& r = *world.report(n.name);
        const Lsn end = complete_end(r).lsn;
        const std::uint64_t to_replay = end.v - std::min(end.v, r.replayed.v);
        return std::tuple{place_of(world.record, r.timeline), n.candidate_priority, end, ~to_replay};
    };
    if (key(a) != key(b)) return key(a) > key(b);
    return a.name < b.name;
}

namespace {

struct Candidate {
    const NodeRecord* node;
    const Report* report;
};

/// Fenced nodes in reach, on the history, that may be promoted; the best first. The last primary is no candidate: it
/// goes on, or it doesn't.
std::vector<Candidate> fenced_candidates(const World& world) {
    std::vector<Candidate> all;
    for (const auto& [name, n] : world.record.nodes) {
        if (world.told(n) || !world.can_be_candidate(n) || !world.in_reach(name)) continue;
        if (fenced(world, n) && on_history(world.record, *world.report(name))) all.push_back({&n, world.report(name)});
    }
    std::sort(all.begin(), all.end(),
              [&](const Candidate& a, const Candidate& b) { return better(world, *a.node, *b.node); });
    // Whom nobody could promote a moment ago comes last, and before that whose disk takes no writes.
    std::stable_partition(all.begin(), all.end(), [&](const Candidate& c) { return c.report->disk.empty(); });
    std::stable_partition(all.begin(), all.end(),
                          [&](const Candidate& c) { return !world.view(c.node->name)->promotion_failed; });
    // A survivor may need WAL that only a slot has kept.
    std::stable_partition(all.begin(), all.end(), [&](const Candidate& c) {
        return c.report->status != PgStatus::running || peers_without_slot(world, *c.node, *c.report).empty();
    });
    // Those that wait for maintenance or to be dropped come last. A switchover's candidate goes first.
    std::stable_partition(all.begin(), all.end(), [&](const Candidate& c) { return world.may_be_candidate(*c.node); });
    std::stable_partition(all.begin(), all.end(),
                          [&](const Candidate& c) { return c.node->name == world.record.preferred; });
    return all;
}

/// Its last WAL is nothing that another could stream: it is down, may be past the fork of a timeline that was assigned
/// and of which nobody has reported the beginning, and so is not started before that is known.
bool waits_for_fork(const World& world, const Report& r) {
    if (r.status != PgStatus::stopped) return false;
    const auto& history = world.record.history;
    const std::size_t next = place_of(world.record, r.timeline);
    return next > 0 && next < history.size() && complete_end(r).lsn > history[next].floor &&
           std::none_of(history.begin() + static_cast<std::ptrdiff_t>(next), history.end(),
                        [](const HistoryEntry& e) { return e.fork.has_value(); });
}

/// What a node must have to be promoted.
struct Required {
    /// Highest end of the nodes that complete R4: below it something acknowledged may be missing.
    WalPosition hard;
    /// Highest end of every fenced node in reach: nothing of it need be left behind (R5).
    WalPosition all;
};

void raise(const World& world, WalPosition& mark, const WalPosition& to) {
    if (!to.lsn.empty() && before(world.record, mark, to)) mark = to;
}

/// Where each rule's fences were enough when the member with this end was fenced: with the lowest ends first, those
/// beyond |S| - k + 1 need not have been waited for.
WalPosition required_by_fences(const World& world, WalPosition highest) {
    for (const NamedRule& named : world.record.rules) {
        // What it acknowledged may be nowhere but on the primary (R7).
        if (named.rule.asynchronous()) continue;
        std::vector<WalPosition> ends;
        for (const auto& [name, n] : world.record.nodes) {
            if (!named.rule.contains(n.incarnation) || !(fenced(world, n) || forwarding(world, n))) continue;
            // What a member acknowledged before it left the history lies before the point where it did.
            if (const WalPosition end = last_on_history(world.record, *world.report(name)); !end.lsn.empty())
                ends.push_back(end);
        }
        std::sort(ends.begin(), ends.end(),
                  [&](const WalPosition& a, const WalPosition& b) { return before(world.record, a, b); });
        const std::size_t needed = fences_needed(named.rule);
        if (needed > 0 && needed <= ends.size()) raise(world, highest, ends[needed - 1]);
    }
    return highest;
}

/// R7: nothing that a candidate in reach has is lost.
WalPosition highest_candidate(const World& world, WalPosition highest) {
    for (const Candidate& c : fenced_candidates(world)) raise(world, highest, complete_end(*c.report));
    return highest;
}

Required required(const World& world, const Completeness& complete) {
    Required need{world.record.floor, world.record.floor};
    if (complete.by_fences) need.hard = required_by_fences(world, world.record.floor);
    const bool asynchronous = asynchronous_in_force(world);
    if (complete.by_fences && asynchronous) need.hard = highest_candidate(world, need.hard);
    // Where only the old primary's exit completes R4, or where it went down in order, nothing of its tail may be left
    // behind; unless it leaves, and nobody can confirm it: then what the fences prove has to do.
    const Report* old = world.primary_live();
    const std::optional<Millis> since = world.memory.complete_since;
    const bool given_up = complete.by_exit && old->leaving && since && (world.now - *since).v >= confirm_limit_ms;
    const bool in_order = complete.by_exit && world.record.planned && old->clean_shutdown && !given_up;
    const bool at_hand = asynchronous && complete.by_exit && old_primary_may_go_on(world);
    if (complete.by_exit && (!complete.by_fences || in_order || at_hand)) raise(world, need.hard, complete_end(*old));
    need.all = need.hard;
    // An operator's word gives up nothing that a node in reach has, however long it takes (R12).
    const bool by_word = !complete.by_fences && !complete.by_exit;
    for (const auto& [name, n] : world.record.nodes)
        if (world.in_reach(name) && fenced(world, n) && on_history(world.record, *world.report(name)) &&
            (by_word || !waits_for_fork(world, *world.report(name))))
            raise(world, need.all, complete_end(*world.report(name)));
    return need;
}

bool has(const World& world, const Candidate& c, const WalPosition& point) {
    if (broken(Mutation::r5)) return true;
    return contains(world.record, *c.report, point) && contains(world.record, *c.report, world.record.floor);
}

/// So little is missing that streaming it costs less than the operator's order of candidates is worth.
bool lacks_little(const World& world, const Candidate& c, const WalPosition& point) {
    const std::uint64_t end = complete_end(*c.report).lsn.v;
    return c.report->timeline == point.timeline &&
           point.lsn.v - std::min(point.lsn.v, end) <= world.record.settings.switchover_max_lag_bytes;
}

std::optional<Choice> old_primary(const World& world, const std::string& evidence) {
    if (!old_primary_may_go_on(world)) return std::nullopt;
    return Choice{world.record.primary, true, complete_end(*world.primary_live()), evidence};
}

bool may_take_over(const World& world, const NodeRecord& n) {
    return !world.told(n) && world.can_be_candidate(n) && world.in_reach(n.name);
}

/// A fence may be told before the end of WAL has been read.
bool end_is_known(const World& world, const NodeRecord& n) {
    return fenced(world, n) && !complete_end(*world.report(n.name)).lsn.empty();
}

/// The last primary is told to stop, and is not there yet: what it has is not known before (R12).
bool old_primary_has_not_ended(const World& world) {
    const Report* r = world.primary_live();
    return r && world.in_reach(world.record.primary) && !(world.primary_exited() && !complete_end(*r).lsn.empty());
}

std::vector<NodeName> with_unknown_end(const World& world) {
    std::vector<NodeName> names;
    if (old_primary_has_not_ended(world)) names.push_back(world.record.primary);
    for (const auto& [name, n] : world.record.nodes)
        if (may_take_over(world, n) && world.report(name)->status != PgStatus::absent && !end_is_known(world, n))
            names.push_back(name);
    return names;
}

/// What any node has ever been heard to have, for the record of what may be lost (R12).
std::string furthest_known(const World& world, const Candidate& chosen) {
    const NodeRecord* furthest = chosen.node;
    WalPosition end = complete_end(*chosen.report);
    const auto look = [&](const NodeRecord& n, const WalPosition& position) {
        if (position.lsn.empty() || !find_timeline(world.record, position.timeline)) return;
        if (!before(world.record, end, position)) return;
        furthest = &n;
        end = position;
    };
    for (const auto& [name, n] : world.record.nodes) {
        if (const Report* r = world.report(name); r && on_history(world.record, *r)) look(n, flushed_end(*r));
        // Heard earlier, also of one that is gone.
        look(n, n.said.end);
        if (const NodeView* v = world.view(name)) look(n, v->high);
    }
    if (furthest == chosen.node) return "no node was heard to have more";
    return furthest->name.v + " was heard to have WAL up to " + text(end) + ": what lies between may be lost";
}

std::string evidence(const World& world, const Completeness& complete, const Candidate& c, const WalPosition& needed) {
    const std::string how = complete.by_fences
                                ? (asynchronous_in_force(world) && !complete.by_exit
                                       ? "every candidate is fenced, and the old primary's lease has run out (R7)"
                                       : "enough members of every rule are fenced")
                            : complete.by_exit ? "the old primary has exited"
                                               : "DATA LOSS ALLOWED by the operator";
    return how + "; end of WAL " + text(complete_end(*c.report)) + ", needed " +
           (needed.timeline.empty() ? "nothing" : text(needed));
}

std::string in_vain(const World& world) {
    const std::vector<NodeName> names = with_unknown_end(world);
    return names.empty() ? "" : "; " + join(names) + ": waited for in vain, what it has may be lost";
}

/// With nobody left who is on the history, and the operator's word: the fenced node that has most of it. Its own line
/// becomes the cluster's (R12).
std::optional<Choice> diverged_choice(const World& world) {
    std::optional<Candidate> best;
    const auto has_of_it = [&](const Candidate& c) { return last_on_history(world.record, *c.report); };
    for (const auto& [name, n] : world.record.nodes) {
        if (world.told(n) || !world.can_be_candidate(n) || !world.in_reach(name) || !fenced(world, n)) continue;
        const Candidate c{&n, world.report(name)};
        if (!best || before(world.record, has_of_it(*best), has_of_it(c))) best = c;
    }
    if (!best) return std::nullopt;
    const WalPosition left = has_of_it(*best);
    return Choice{best->node->name, false, left,
                  evidence(world, {}, *best, world.record.floor) + in_vain(world) +
                      "; it is not on the cluster's history, which it left at " +
                      (left.timeline.empty() ? "a point that is not known" : text(left)) +
                      ": all commits after that may be lost, and what it has of its own takes their place"};
}

/// Among the fenced nodes, in R5's order; empty when none of them may be promoted.
Outcome among_fenced(const World& world, const Completeness& complete) {
    const Required need = required(world, complete);
    const std::vector<Candidate> candidates = fenced_candidates(world);
    // At first only those are let stream that lack little; when nobody has what is needed, anybody.
    for (const bool anybody : {false, true}) {
        for (const Candidate& c : candidates) {
            if (!has(world, c, need.all) && (anybody || lacks_little(world, c, need.all))) {
                if (const auto forward = new_forward(world, *c.node, need.all)) return {std::nullopt, forward};
            }
            if (has(world, c, need.hard) && within_allowed_loss(world, *c.report))
                return {Choice{c.node->name, false, need.hard, evidence(world, complete, c, need.hard)}, std::nullopt};
        }
    }
    return {};
}

/// The operator's word gives up what only nodes out of reach have, and nothing that a node in reach has (R12).
Outcome by_word(const World& world) {
    if (forward_under_way(world) || !awaited_by_word(world).empty()) return {};
    const std::vector<Candidate> candidates = fenced_candidates(world);
    if (candidates.empty()) {
        // One that may not be promoted has what the cluster acknowledged: its owner can let it be.
        if (!on_history_but_no_candidates(world).empty()) return {};
        return {diverged_choice(world), std::nullopt};
    }
    const WalPosition all = required(world, {}).all;
    const auto chosen = [&](const Candidate& c) {
        return Outcome{
            Choice{c.node->name, false, world.record.floor,
                   evidence(world, {}, c, world.record.floor) + "; " + furthest_known(world, c) + in_vain(world)},
            std::nullopt};
    };
    for (const Candidate& c : candidates) {
        if (has(world, c, all)) return chosen(c);
        const auto forward = lacks_little(world, c, all) ? new_forward(world, *c.node, all) : std::nullopt;
        if (forward && !forward->start_source) return {std::nullopt, forward};
    }
    for (const Candidate& c : candidates)
        if (const auto forward = new_forward(world, *c.node, all)) return {std::nullopt, forward};
    return chosen(*std::max_element(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
        return before(world.record, complete_end(*a.report), complete_end(*b.report));
    }));
}

/// A slow start is stopped after comes_up_within node timeouts; so many more are for the stop and the fence.
constexpr std::int64_t fence_after_stop = 2;

}  // namespace

std::int64_t word_waits_ms(const World& world) {
    return (comes_up_within + fence_after_stop) * static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
}

bool somebody_fenced(const World& world) {
    return std::any_of(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
        return may_take_over(world, entry.second) && fenced(world, entry.second);
    });
}

std::vector<NodeName> awaited_by_word(const World& world) {
    const std::optional<Millis> since = world.memory.word_since;
    if (since && (world.now - *since).v >= word_waits_ms(world)) return {};
    return with_unknown_end(world);
}

Outcome choose(const World& world, bool data_loss_allowed) {
    const Completeness complete = completeness(world);
    if (complete.by_promise) {
        const bool waits = world.primary_live()->in_recovery;
        if (auto same = old_primary(world, waits ? "it has promised the epoch and was chosen before (R4)"
                                                 : "it has promised the epoch and runs on: a false alarm (R4)"))
            return {same, std::nullopt};
    }
    if (complete.by_fences || complete.by_exit) {
        if (forward_under_way(world)) return {};
        if (const Outcome outcome = among_fenced(world, complete); outcome.choice || outcome.forward) return outcome;
    }
    if (complete.by_exit) {
        if (auto same = old_primary(world, "no other node has all of its WAL (R4, second form)"))
            return {same, std::nullopt};
    }
    return data_loss_allowed ? by_word(world) : Outcome{};
}

namespace {

bool stands_by(const World& world, const NodeRecord& n) {
    const Report* r = world.live(n.name);
    return n.name != world.record.primary && world.can_be_candidate(n) && world.in_reach(n.name) &&
           r->status == PgStatus::running && r->in_recovery && on_history(world.record, *r) &&
           within_allowed_loss(world, *r);
}

}  // namespace

bool somebody_can_take_over(const World& world) {
    return std::any_of(world.record.nodes.begin(), world.record.nodes.end(),
                       [&](const auto& entry) { return stands_by(world, entry.second); });
}

bool somebody_with_a_disk_can_take_over(const World& world) {
    return std::any_of(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
        if (!stands_by(world, entry.second)) return false;
        const Report* r = world.live(entry.first);
        // One that lacks the floor would not be chosen.
        return r->disk.empty() && contains(world.record, *r, world.record.floor);
    });
}

std::vector<NodeName> on_history_but_no_candidates(const World& world) {
    std::vector<NodeName> names;
    if (!fenced_candidates(world).empty()) return names;
    for (const auto& [name, n] : world.record.nodes) {
        if (world.told(n) || world.can_be_candidate(n) || n.maintenance || !world.in_reach(name)) continue;
        if (fenced(world, n) && on_history(world.record, *world.report(name))) names.push_back(name);
    }
    return names;
}

std::vector<NodeName> complete_but_no_candidates(const World& world) {
    const Completeness complete = completeness(world);
    std::vector<NodeName> names;
    if (!complete.by_fences && !complete.by_exit) return names;
    const Required need = required(world, complete);
    for (const auto& [name, n] : world.record.nodes) {
        if (world.told(n) || world.can_be_candidate(n) || !world.in_reach(name) || !fenced(world, n)) continue;
        if (has(world, {&n, world.report(name)}, need.hard)) names.push_back(name);
    }
    return names;
}

NodeName lacks_only_unacknowledged(const World& world) {
    if (!completeness(world).by_fences) return {};
    // The floor holds the tail of whoever was chosen last; what R4 proved then is in highest_end.
    const WalPosition needed = required_by_fences(world, world.record.highest_end);
    for (const Candidate& c : fenced_candidates(world))
        if (contains(world.record, *c.report, needed)) return c.node->name;
    return {};
}

}  // namespace pgaf::fsm
