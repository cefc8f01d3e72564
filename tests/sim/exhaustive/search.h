// Breadth first over all worlds that can be reached: the first violation has the shortest way to it.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "tests/sim/exhaustive/actions.h"
#include "tests/sim/found.h"

namespace pgaf::exhaustive {

struct Limits {
    double seconds = 3600;
    std::size_t megabytes = 6000;
    /// How many actions from the beginning.
    std::size_t actions = std::numeric_limits<std::size_t>::max();
};

struct Result {
    /// Every world that can be reached was reached.
    bool completed = false;
    std::size_t worlds = 0;
    std::size_t transitions = 0;
    std::size_t depth = 0;
    double seconds = 0;
    double cpu_seconds = 0;
    std::size_t monitors = 0;
    std::size_t nodes = 0;
    std::size_t megabytes = 0;
    /// Empty: none was found.
    std::string violation;
    /// Its way, an action and what came of it a line.
    std::vector<std::string> trace;
    std::size_t trace_length = 0;
};

[[nodiscard]] Result explore(const Spec& spec, const Limits& limits);

// ---- worlds.cc
// --------------------------------------------------------------------------------------------------------

/// A rule that is switched off, what that violates, as the violation begins, and the world in which it is found.
struct Break {
    Mutation rule{};
    std::string shown_by;
    Spec world;
};

/// Worlds that are walked to their end within seconds.
[[nodiscard]] const std::vector<Spec>& worlds();
/// Those that take longer, with more luck.
[[nodiscard]] const std::vector<Spec>& large_worlds();
[[nodiscard]] const std::vector<Break>& breaks();
/// The rules that are in none of them.
[[nodiscard]] const std::vector<sim::NotFound>& not_found_by_walk();

// ---- run.cc
// -----------------------------------------------------------------------------------------------------------

struct Command {
    /// Only this world; empty: all that end within seconds. "all": the large ones too.
    std::string world;
    /// Another luck than the world's own: "crashes=1,cuts=2".
    std::string luck;
    /// Each world to its end, and each broken rule found: what the suite runs.
    bool suite = false;
    Limits limits;
};
/// `pgaf-sim --exhaustive`. Returns the exit code.
int run_exhaustive(const Command& command);
void list_worlds();

}  // namespace pgaf::exhaustive
