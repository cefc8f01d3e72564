// The embedded store: one SQLite file (WAL mode, synchronous FULL, so a commit survives a power loss), beside it a lock
// file, so that two monitors never decide over one store, and the file that tells when the store was put back or lost
// (life_file.h).
#pragma once

#include <memory>

#include "monitor/store/store.h"

namespace pgaf::monitor {

struct SqliteOptions {
    std::string path;
    std::uint32_t events_kept = default_events_kept;
};

/// Creates the file when there is none. Refuses, with a message that says what to do: a store that another monitor has
/// open, a file that is no pgaf store, a newer schema, a damaged file, a folder or file that cannot be written.
[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options);

}  // namespace pgaf::monitor
