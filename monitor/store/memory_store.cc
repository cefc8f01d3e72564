#include "monitor/store/memory_store.h"

#include <algorithm>

namespace pgaf::monitor {

Result<Term> MemoryStore::begin_term(const MonitorId&) {
    ++term_.v;
    for (auto& [name, record] : records_)
        if (record.doubt.empty()) record.doubt = doubt_;
    return term_;
}

Result<std::vector<fsm::ClusterRecord>> MemoryStore::load() {
    std::vector<fsm::ClusterRecord> records;
    for (const auto& [name, record] : records_) records.push_back(record);
    return records;
}

Result<std::vector<Event>> MemoryStore::save(const fsm::ClusterRecord& record, const std::vector<fsm::LogEntry>& log,
                                             std::int64_t unix_ms) {
    if (!failure_.empty()) return error(failure_);
    if (!overtaken_.empty()) return error(overtaken_);
    records_[record.name] = record;
    term_ = std::max(term_, record.term);
    if (record.doubt.empty()) doubt_.clear();
    auto& kept = events_[record.name];
    std::vector<Event> added;
    for (const auto& entry : log) added.push_back({++last_seq_, unix_ms, record.name, entry});
    kept.insert(kept.end(), added.begin(), added.end());
    while (kept.size() > events_kept_) kept.pop_front();
    return added;
}

Result<std::vector<Event>> MemoryStore::events(const EventQuery& query) {
    std::vector<Event> found;
    for (const Event& event : events_[query.cluster]) {
        if (event.seq > query.after && event.unix_ms >= query.since_unix_ms) found.push_back(event);
    }
    if (found.size() > query.limit) {
        const auto surplus = static_cast<std::ptrdiff_t>(found.size() - query.limit);
        if (query.newest)
            found.erase(found.begin(), found.begin() + surplus);
        else
            found.erase(found.end() - surplus, found.end());
    }
    return found;
}

Result<std::uint64_t> MemoryStore::last_event(const ClusterName& cluster) {
    const auto& kept = events_[cluster];
    return kept.empty() ? 0 : kept.back().seq;
}

}  // namespace pgaf::monitor
