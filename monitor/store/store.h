// Where the monitor keeps what it must not forget: cluster records, the event log, its own terms. An interface, so that
// the service is the same over SQLite, memory (tests) and, later, a replicated store. Knows nothing of decisions.
//
// Not thread-safe: one strand owns a store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/result.h"
#include "monitor/fsm/heart.h"
#include "monitor/fsm/record.h"

namespace pgaf::monitor {

/// An entry of the event log as it was stored.
struct Event {
    std::uint64_t seq = 0;  ///< over all clusters, never used twice
    std::int64_t unix_ms = 0;
    ClusterName cluster;
    fsm::LogEntry entry;
};

struct EventQuery {
    ClusterName cluster;
    std::uint64_t after = 0;  ///< only events with a greater seq
    std::int64_t since_unix_ms = 0;
    std::uint32_t limit = 100;
    /// Which ones when there are more than `limit`: the newest, or the oldest (to read on from there).
    bool newest = true;
};

/// Events kept of each cluster when nothing else is said; the oldest go first.
inline constexpr std::uint32_t default_events_kept = 10000;

class Store {
  public:
    virtual ~Store() = default;

    /// The term of a monitor process that begins to decide, durable on return: one more than any before. From now on
    /// save() succeeds only while this term is the store's newest (R10).
    virtual Result<Term> begin_term(const MonitorId& monitor) = 0;
    /// An error: another process has begun a later term, or another store lies in this one's place (R10). Cheap:
    /// nothing is written, and nothing read from the disk.
    virtual Result<void> still_leads() = 0;
    /// Why what load() gives may not be the newest (R11); empty when there is no doubt. Known before begin_term(),
    /// which makes the doubt durable: from then on it is in the records. Later it holds for clusters that have no
    /// record yet, until a record without doubt is saved.
    [[nodiscard]] virtual const std::string& doubt() const = 0;

    virtual Result<std::vector<fsm::ClusterRecord>> load() = 0;

    /// Replaces the cluster's record, whose term may be higher than the process's (then that is its term), and appends
    /// events in one transaction, durable on return (R1). Returns the events as stored. After an error nobody can say
    /// what is on the disk: open the store again before deciding anything.
    virtual Result<std::vector<Event>> save(const fsm::ClusterRecord& record, const std::vector<fsm::LogEntry>& log,
                                            std::int64_t unix_ms) = 0;

    /// Oldest first, whatever `newest` chose.
    virtual Result<std::vector<Event>> events(const EventQuery& query) = 0;
    /// The highest seq of the cluster's events; 0 when there is none.
    virtual Result<std::uint64_t> last_event(const ClusterName& cluster) = 0;

    /// What it takes on a disk; 0: nothing, or nobody can say.
    [[nodiscard]] virtual std::uint64_t size_bytes() const { return 0; }
};

}  // namespace pgaf::monitor
