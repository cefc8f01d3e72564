// What no process of the model knows, and the checker remembers: what was acknowledged, promised, told. The invariants
// I1 to I10 are questions about this and the world.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/stamp.h"
#include "tests/sim/wal.h"

namespace pgaf::sim {

struct Reign {
    std::uint64_t epoch = 0;
    NodeIx node = nobody;
    BranchIx branch = 0;
};

struct Told {
    NodeIx node = nobody;
    Inc inc = 0;
};

/// When the monitor chose whom an epoch's election promotes.
struct ChosenAt {
    std::uint64_t epoch = 0;
    Micros when = 0;
};

/// Where the WAL of the primary was last heard to end (R7).
struct HeardEnd {
    Inc inc = 0;
    BranchIx branch = 0;
    std::uint64_t lsn = 0;
};

/// How far a folder has confirmed, whatever became of it since.
struct Confirmed {
    BranchIx branch = 0;
    std::uint64_t lsn = 0;
};

struct Violation {
    std::string what;
    Micros when = 0;
};

struct Ghost {
    /// For each branch how far a client has been told, or shown, that what it has written is there.
    std::vector<std::uint64_t> acknowledged;
    /// I1.
    std::map<std::uint64_t, Told> told;
    /// The epoch among them whose choice is stored, and nobody was told before the monitor died; 0: none.
    std::uint64_t untold = 0;
    /// I10.
    std::vector<std::uint32_t> timelines_used;
    /// The newest primaries, oldest first.
    std::vector<Reign> reigns;
    /// The choice of the newest election that promotes somebody, and what R4's nodes had then.
    std::uint64_t chosen_epoch = 0;
    BranchIx chosen_branch = 0;
    std::uint64_t chosen_end = 0;
    /// I7: the newest of them, oldest first.
    std::vector<ChosenAt> choices;
    HeardEnd heard;
    /// I4: what each incarnation has made durable.
    std::map<Inc, Stamp> promised;
    std::map<Inc, Confirmed> confirmed;
    /// I8: since when the monitor is away and nothing else is wrong; 0: it is not so.
    Micros only_monitor_away = 0;
    /// The node that was permitted to start last, when nobody could know that its disk had been put back.
    NodeIx unseen = nobody;
    /// An operator has accepted the loss of what this epoch's election leaves behind.
    std::uint64_t loss_accepted = 0;
    std::optional<Violation> violation;
};

struct Count {
    std::uint64_t events = 0;
    std::uint64_t heart_steps = 0;
    std::uint64_t looks = 0;
    std::uint64_t commits = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t unknown = 0;
    std::uint64_t faults = 0;
    std::uint64_t elections = 0;
    std::uint64_t promotions = 0;
    std::uint64_t rewinds = 0;
    std::uint64_t clones = 0;
    std::uint64_t rules = 0;

    void add(const Count& o) {
        events += o.events, heart_steps += o.heart_steps, looks += o.looks, commits += o.commits;
        acknowledged += o.acknowledged, unknown += o.unknown, faults += o.faults, elections += o.elections;
        promotions += o.promotions, rewinds += o.rewinds, clones += o.clones, rules += o.rules;
    }
};

}  // namespace pgaf::sim
