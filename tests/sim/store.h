// The monitor's store and the file beside it, in small (monitor/store): what is durable, how a store knows that it was
// put back or lost (R11), and who may write to it (R10).
#pragma once

#include <optional>
#include <string>

#include "monitor/fsm/record.h"

namespace pgaf::sim {

/// What the file beside the store says; a backup of the store does not hold it.
struct StoreLife {
    std::uint32_t life = 0;
    std::uint64_t commits = 0;
    Term term;
};

struct MonitorStore {
    std::optional<fsm::ClusterRecord> record;
    Term term;
    /// The process that began that term.
    std::uint32_t leader = 0;
    std::uint32_t life = 0;
    std::uint64_t commits = 0;
    /// Why it may not be the newest, for a cluster that has no record yet.
    std::string doubt;
    std::optional<StoreLife> beside;
};

/// A process begins to decide on it. `process`: its number, never used before.
void begin_term(MonitorStore& store, std::uint32_t process);
/// One commit. `noted`: the process lived long enough to tell the file.
void save(MonitorStore& store, const fsm::ClusterRecord& record, bool noted);
/// The store becomes what it once was, or none. `file_too`: the file beside it goes with it.
void replace(MonitorStore& store, MonitorStore by, bool file_too);

}  // namespace pgaf::sim
