// One seed from its beginning to its end: a cluster is formed, episode after episode of harm is done to it, and after
// each it has to be well again. Quiet time, in which nothing would change but the clock, is counted and left out.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "tests/sim/nemesis.h"

namespace pgaf::sim {

struct RunOptions {
    std::uint64_t seed = 1;
    double hours = 8;
    /// 0: by the seed.
    std::size_t nodes = 0;
    /// Acts that are left out, by their number.
    std::set<std::size_t> without;
    /// Ends after this act's episode; 0: by hours.
    std::size_t last_act = 0;
    Micros mean_rest = 600 * sec;
    /// Half of the commits are as large as a segment, so that many records lie across its boundary.
    bool large = false;
    /// The cluster is declared asynchronous (R7); unset: by the seed.
    std::optional<bool> asynchronous;
    /// What may be done to the cluster; empty: everything.
    std::vector<Harm> only;
    Trace* trace = nullptr;
};

struct RunResult {
    std::optional<Violation> violation;
    Count count;
    /// Of the virtual clock, and what was left out beside it.
    Micros stepped = 0;
    Micros left_out = 0;
    std::size_t acts = 0;
    std::size_t episodes = 0;
    std::size_t losses_accepted = 0;
    /// Longest time until a primary took writes again, and until all was well, after everything had been repaired.
    Micros longest_without_primary = 0;
    Micros longest_unwell = 0;
    std::string world;
};

[[nodiscard]] RunResult run(const RunOptions& options);
/// Leaves out acts, one after the other, as long as something is still found.
[[nodiscard]] RunOptions shrink(const RunOptions& options, const RunResult& found);

}  // namespace pgaf::sim
