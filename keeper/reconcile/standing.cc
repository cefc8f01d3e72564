#include "keeper/reconcile/standing.h"

#include <algorithm>

#include "common/mutation.h"

namespace pgaf::keeper {
namespace {

using History = std::vector<HistoryEntry>;
using Iterator = History::const_iterator;

Iterator find(const History& history, Timeline timeline) {
    return std::find_if(history.begin(), history.end(), [&](const HistoryEntry& e) { return e.timeline == timeline; });
}

std::string timeline_text(Timeline t) {
    return "timeline " + std::to_string(t.v);
}

Standing diverged(Timeline timeline, Lsn fork, std::string why) {
    return {Standing::Kind::diverged, timeline, fork, std::move(why)};
}

/// The first entry after `from` whose fork is known; an assigned timeline without one may never have begun.
Iterator next_known(const History& history, Iterator from) {
    return std::find_if(from + 1, history.end(), [](const HistoryEntry& e) { return e.fork.has_value(); });
}

/// Whether the node's own step from one timeline to the next is one that the history made.
Standing compare_fork(const History& history, const TimelineFork& left, Timeline born) {
    // What lies before the first timeline that the record knows is as old as the cluster: nothing to compare with.
    if (born <= history.front().timeline) return {Standing::Kind::prefix, {}, {}, {}};
    const Iterator next = find(history, born);
    const Iterator parent = find(history, left.timeline);
    if (next == history.end()) {
        const Iterator real = parent == history.end() ? history.end() : next_known(history, parent);
        const Lsn fork = real == history.end() ? left.end : std::min(left.end, *real->fork);
        return diverged(left.timeline, fork, "its " + timeline_text(born) + " is none of the cluster's");
    }
    if (parent == history.end())
        return diverged({}, {}, "its " + timeline_text(left.timeline) + " is none of the cluster's");
    const Iterator real = next_known(history, parent);
    if (real < next)
        return diverged(left.timeline, std::min(left.end, *real->fork),
                        "it went from " + timeline_text(left.timeline) + " to " + timeline_text(born) +
                            ", the cluster went to " + timeline_text(real->timeline));
    const bool same = next->fork ? *next->fork == left.end : left.end >= next->floor;
    if (same) return {Standing::Kind::prefix, {}, {}, {}};
    const Lsn point = next->fork.value_or(next->floor);
    return diverged(
        left.timeline, std::min(left.end, point),
        "its " + timeline_text(born) + " begins at " + left.end.text() + ", the cluster's at " + point.text());
}

/// The node's newest timeline: does its WAL end before the history left that timeline?
Standing compare_end(const History& history, const Facts& facts, Iterator own) {
    // A standby that runs has received more than it could replay: part of a record, or what it replays next. The former
    // does not count, and the latter will have been replayed in a moment.
    const bool runs = facts.status == PgStatus::running && facts.in_recovery && !facts.replayed.empty();
    const Lsn complete = !facts.complete.empty() ? facts.complete : runs ? facts.replayed : facts.end;
    if (own + 1 == history.end()) return {Standing::Kind::prefix, {}, {}, {}};
    const Iterator real = next_known(history, own);
    const bool known = real != history.end();
    const Iterator left = known ? real : own + 1;
    const Lsn fork = known ? *left->fork : left->floor;
    if (complete > fork && !known)
        return {Standing::Kind::unknown, own->timeline, fork,
                "nobody has reported yet where " + timeline_text(left->timeline) + " begins"};
    if (complete > fork)
        return diverged(own->timeline, fork,
                        "its WAL ends at " + complete.text() + ", the cluster left " + timeline_text(own->timeline) +
                            " at " + fork.text());
    const std::uint64_t segment = std::max<std::uint64_t>(facts.wal_segment_bytes, 1);
    // A receiver would ask for the segment in which its WAL ends: anything torn that touches a later one than the
    // fork's leaves a hole (an end exactly on the boundary too).
    if (facts.end.v / segment > fork.v / segment && !broken(Mutation::r6_hole))
        return {Standing::Kind::torn_tail, own->timeline, fork,
                "part of a record reaches to " + facts.end.text() + ", into a later segment than the fork at " +
                    fork.text()};
    return {Standing::Kind::prefix, {}, {}, {}};
}

}  // namespace

Standing stand(const Facts& facts, const History& history) {
    if (facts.timeline.empty()) return {Standing::Kind::unknown, {}, {}, "its timeline is not known"};
    if (facts.end.empty() && facts.complete.empty())
        return {Standing::Kind::unknown, {}, {}, "its end of WAL is not known"};
    if (history.empty()) return {Standing::Kind::unknown, {}, {}, "the cluster's history is not known yet"};
    for (std::size_t i = 0; i < facts.forks.size(); ++i) {
        const Timeline born = i + 1 < facts.forks.size() ? facts.forks[i + 1].timeline : facts.timeline;
        const Standing fork = compare_fork(history, facts.forks[i], born);
        if (fork.kind != Standing::Kind::prefix) return fork;
    }
    const Iterator own = find(history, facts.timeline);
    if (own == history.end())
        return diverged({}, {}, "its " + timeline_text(facts.timeline) + " is none of the cluster's");
    return compare_end(history, facts, own);
}

}  // namespace pgaf::keeper
