// Does the disk still take writes (protocol: Detection, 5)? A file in the data folder, and one in pg_wal when that lies
// on another file system, is written and synced again and again on a thread of its own: one that a hung disk holds up
// holds nothing else up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "keeper/postgres/disk_space.h"

namespace pgaf::keeper {

class DiskProbe {
  public:
    /// `limit`: a write that has not ended after this is as bad as one that fails.
    explicit DiskProbe(Millis limit);
    /// Leaves a thread that the disk holds up behind; it ends when the disk lets it.
    ~DiskProbe();
    DiskProbe(const DiskProbe&) = delete;
    DiskProbe& operator=(const DiskProbe&) = delete;

    /// Which folders to write to from now on; none: nothing is written, and nothing is wrong.
    void watch(std::vector<std::string> folders);
    /// Watches nothing, and returns when no write is under way any more: whoever empties or compares a folder has it
    /// alone.
    /// Blocks as long as the disk does.
    void leave();
    /// What is wrong, with the file and the reason; empty when the last write ended well. To be asked regularly: of
    /// the time between two questions no more than 2 s count for the limit, since the process may have stood still.
    [[nodiscard]] std::string trouble();
    /// Of the first folder's disk, as of the last round: a disk that hangs may hold that question up too. Nothing: no
    /// folder is watched, or none was looked at yet.
    [[nodiscard]] std::optional<DiskSpace> space() const;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
    Millis limit_;
};

/// Whether the probe, and nobody else, makes files of this name in a folder.
[[nodiscard]] bool is_probe_file(std::string_view name);

/// One write and fsync of a new file in a folder, which needs room beside the one before; empty when it went well, else
/// what went wrong.
[[nodiscard]] std::string write_probe(const std::string& folder);

}  // namespace pgaf::keeper
