// A data folder as far as the heart's decisions depend on it: WAL records, timelines, forks, torn tails. A model for
// tests; knows no process, no network and no monitor.
#pragma once

#include <cstdint>
#include <vector>

#include "common/model/report.h"

namespace pgaf::lab {

constexpr std::uint64_t segment_bytes = 16ULL * 1024 * 1024;
/// Where the WAL of a new cluster begins.
constexpr Lsn first_lsn{0x1000028};

/// A complete record. Its id is given once, so it stands for everything that lies before it too.
struct WalRecord {
    std::uint64_t id = 0;
    Lsn end;
    Timeline timeline;
};

struct Folder {
    bool present = false;
    SystemId system;
    Timeline timeline;
    /// Parents of `timeline`, oldest first.
    std::vector<TimelineFork> forks;
    std::vector<WalRecord> wal;
    /// Part of a record that has been flushed after the last complete one.
    std::uint64_t torn_bytes = 0;
    std::uint64_t torn_id = 0;
    /// WAL was received past a gap (R6): whatever this standby confirms is a lie.
    bool hole = false;
    bool standby_signal = false;
    bool clean = false;
    Timeline checkpoint_timeline;

    [[nodiscard]] Lsn complete() const { return wal.empty() ? first_lsn : wal.back().end; }
    [[nodiscard]] Lsn flushed() const { return {complete().v + torn_bytes}; }
    [[nodiscard]] bool has(std::uint64_t record) const;
    void append(std::uint64_t record, std::uint64_t bytes);
    /// Ends the timeline at the last complete record and begins another one.
    void fork_to(Timeline next);
};

/// All of `a` is in `b`.
[[nodiscard]] bool is_prefix(const Folder& a, const Folder& b);

/// Whether a standby with this folder can stream from a server with that one.
[[nodiscard]] bool can_stream(const Folder& standby, const Folder& upstream);
/// Streams all that there is.
void stream(Folder& standby, const Folder& upstream);

/// What a keeper finds when it compares its folder with the history that its goal carries.
enum class Standing { prefix, torn_tail, diverged, unknown };
[[nodiscard]] Standing stand(const Folder& folder, const std::vector<HistoryEntry>& history);

}  // namespace pgaf::lab
