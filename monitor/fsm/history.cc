#include "monitor/fsm/history.h"

#include <algorithm>

namespace pgaf::fsm {

const HistoryEntry* find_timeline(const ClusterRecord& record, Timeline timeline) {
    for (const HistoryEntry& entry : record.history)
        if (entry.timeline == timeline) return &entry;
    return nullptr;
}

Epoch epoch_of(const ClusterRecord& record, Timeline timeline) {
    const HistoryEntry* entry = find_timeline(record, timeline);
    return entry ? entry->epoch : Epoch{};
}

std::size_t place_of(const ClusterRecord& record, Timeline timeline) {
    const auto found = std::find_if(record.history.begin(), record.history.end(),
                                    [&](const HistoryEntry& e) { return e.timeline == timeline; });
    return found == record.history.end() ? 0 : static_cast<std::size_t>(found - record.history.begin()) + 1;
}

WalPosition complete_end(const Report& report) {
    const Lsn best = !report.complete.empty() ? report.complete : std::max(report.replayed, Lsn{});
    return {report.timeline, best.empty() ? report.end : best};
}

WalPosition flushed_end(const Report& report) {
    return {report.timeline, std::max(report.end, report.complete)};
}

namespace {

/// The entry of the history that follows `timeline`, whose fork is where `timeline` was left.
const HistoryEntry* successor(const ClusterRecord& record, Timeline timeline) {
    for (std::size_t i = 0; i + 1 < record.history.size(); ++i)
        if (record.history[i].timeline == timeline) return &record.history[i + 1];
    return nullptr;
}

/// The same, but for promotions whose timeline was assigned and has not been begun as far as is known.
const HistoryEntry* begun_successor(const ClusterRecord& record, Timeline timeline) {
    const HistoryEntry* next = successor(record, timeline);
    while (next && !next->fork) next = successor(record, next->timeline);
    return next;
}

bool fork_matches(const HistoryEntry& next, Lsn fork) {
    return next.fork ? *next.fork == fork : fork >= next.floor;
}

}  // namespace

bool on_history(const ClusterRecord& record, const Report& report) {
    if (report.timeline.empty() || !find_timeline(record, report.timeline)) return false;
    for (std::size_t i = 0; i < report.forks.size(); ++i) {
        const Timeline next_of_node = i + 1 < report.forks.size() ? report.forks[i + 1].timeline : report.timeline;
        const HistoryEntry* next = find_timeline(record, next_of_node);
        // What lies before the first timeline that the record knows is as old as the cluster: nothing to compare with.
        if (next == &record.history.front()) continue;
        const HistoryEntry* expected = successor(record, report.forks[i].timeline);
        // A promotion whose timeline was assigned but never begun may lie between the two.
        while (expected && expected != next && !expected->fork) expected = successor(record, expected->timeline);
        if (!next || expected != next || !fork_matches(*next, report.forks[i].end)) return false;
    }
    const HistoryEntry* left_at = begun_successor(record, report.timeline);
    return !left_at || complete_end(report).lsn <= *left_at->fork;
}

WalPosition last_on_history(const ClusterRecord& record, const Report& report) {
    const auto end_at = [](Report& past, Lsn end) { past.end = past.replayed = past.complete = end; };
    // From the newest timeline back: the first that is the history's, with all before it, up to where either side left
    // it.
    for (Report past = report;;) {
        const HistoryEntry* next = begun_successor(record, past.timeline);
        if (next && complete_end(past).lsn > *next->fork) end_at(past, *next->fork);
        if (on_history(record, past)) return complete_end(past);
        if (past.forks.empty()) return {};
        past.timeline = past.forks.back().timeline;
        end_at(past, past.forks.back().end);
        past.forks.pop_back();
    }
}

bool before(const ClusterRecord& record, const WalPosition& a, const WalPosition& b) {
    if (a.timeline == b.timeline) return a.lsn < b.lsn;
    return place_of(record, a.timeline) < place_of(record, b.timeline);
}

bool contains(const ClusterRecord& record, const Report& report, const WalPosition& point) {
    if (!on_history(record, report)) return false;
    return point.timeline.empty() || !before(record, complete_end(report), point);
}

void learn_from(ClusterRecord& record, const Report& report) {
    record.highest_timeline = std::max(record.highest_timeline, report.timeline);
    for (std::size_t i = 0; i < report.forks.size(); ++i) {
        const Timeline born = i + 1 < report.forks.size() ? report.forks[i + 1].timeline : report.timeline;
        for (HistoryEntry& entry : record.history) {
            if (entry.timeline == born && !entry.fork && report.forks[i].end >= entry.floor)
                entry.fork = report.forks[i].end;
        }
    }
}

}  // namespace pgaf::fsm
