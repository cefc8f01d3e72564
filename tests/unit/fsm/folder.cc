#include "tests/unit/fsm/folder.h"

#include <algorithm>

namespace pgaf::lab {

bool Folder::has(std::uint64_t record) const {
    // Ids grow along every line of WAL.
    const auto found = std::lower_bound(wal.begin(), wal.end(), record,
                                        [](const WalRecord& r, std::uint64_t id) { return r.id < id; });
    return found != wal.end() && found->id == record;
}

void Folder::append(std::uint64_t record, std::uint64_t bytes) {
    torn_bytes = 0;
    wal.push_back({record, Lsn{complete().v + bytes}, timeline});
}

void Folder::fork_to(Timeline next) {
    torn_bytes = 0;
    forks.push_back({timeline, complete()});
    timeline = next;
}

bool is_prefix(const Folder& a, const Folder& b) {
    if (a.wal.empty()) return true;
    return a.wal.size() <= b.wal.size() && b.wal[a.wal.size() - 1].id == a.wal.back().id;
}

namespace {

std::uint64_t segment_of(Lsn lsn) {
    return lsn.v / segment_bytes;
}

/// The torn part belongs to the record that the upstream has there, or lies in a segment that is asked for again.
bool tail_is_harmless(const Folder& standby, const Folder& upstream) {
    if (standby.torn_bytes == 0) return true;
    const std::size_t next = standby.wal.size();
    if (next < upstream.wal.size() ? upstream.wal[next].id == standby.torn_id : upstream.torn_id == standby.torn_id)
        return true;
    return segment_of(standby.flushed()) <= segment_of(standby.complete());
}

}  // namespace

bool can_stream(const Folder& standby, const Folder& upstream) {
    if (!standby.present || !upstream.present || standby.system != upstream.system) return false;
    if (standby.hole) return upstream.flushed() >= standby.flushed();
    if (!is_prefix(standby, upstream)) return false;
    // Without a torn record in a later segment it asks for what comes next; else it waits for that segment.
    return tail_is_harmless(standby, upstream) || upstream.flushed() >= standby.flushed();
}

void stream(Folder& standby, const Folder& upstream) {
    if (standby.hole || !tail_is_harmless(standby, upstream)) {
        standby.hole = true;
        standby.torn_bytes = upstream.flushed().v - standby.complete().v;
        return;
    }
    standby.torn_bytes = 0;
    const auto next = static_cast<std::ptrdiff_t>(standby.wal.size());
    standby.wal.insert(standby.wal.end(), upstream.wal.begin() + next, upstream.wal.end());
    standby.timeline = upstream.timeline;
    standby.forks = upstream.forks;
}

namespace {

const HistoryEntry* find(const std::vector<HistoryEntry>& history, Timeline timeline) {
    for (const HistoryEntry& entry : history)
        if (entry.timeline == timeline) return &entry;
    return nullptr;
}

/// Entries after `entry` with a known fork; timelines that were assigned may never have begun.
const HistoryEntry* next_known(const std::vector<HistoryEntry>& history, const HistoryEntry* entry) {
    const HistoryEntry* end = history.data() + history.size();
    for (++entry; entry != end; ++entry)
        if (entry->fork) return entry;
    return nullptr;
}

}  // namespace

Standing stand(const Folder& folder, const std::vector<HistoryEntry>& history) {
    if (history.empty()) return Standing::unknown;
    for (std::size_t i = 0; i < folder.forks.size(); ++i) {
        const Timeline born = i + 1 < folder.forks.size() ? folder.forks[i + 1].timeline : folder.timeline;
        if (born <= history.front().timeline) continue;
        const HistoryEntry* next = find(history, born);
        const HistoryEntry* parent = find(history, folder.forks[i].timeline);
        if (!next || !parent) return Standing::diverged;
        const HistoryEntry* real = next_known(history, parent);
        if (real && real < next) return Standing::diverged;
        if (next->fork ? *next->fork != folder.forks[i].end : folder.forks[i].end < next->floor)
            return Standing::diverged;
    }
    const HistoryEntry* own = find(history, folder.timeline);
    if (!own) return Standing::diverged;
    if (own == &history.back()) return Standing::prefix;
    const HistoryEntry* left = next_known(history, own);
    const Lsn fork = left ? *left->fork : (own + 1)->floor;
    if (folder.complete() > fork) return left ? Standing::diverged : Standing::unknown;
    return segment_of(folder.flushed()) > segment_of(fork) ? Standing::torn_tail : Standing::prefix;
}

}  // namespace pgaf::lab
