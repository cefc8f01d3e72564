// Breadth first over all worlds that can be reached: the first violation has the shortest way to it.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/exhaustive/actions.h"

namespace pgaf::exhaustive {

struct Limits {
    double seconds = 3600;
    std::size_t megabytes = 6000;
};

struct Result {
    /// Every world that can be reached was reached.
    bool completed = false;
    std::size_t worlds = 0;
    std::size_t transitions = 0;
    std::size_t depth = 0;
    double seconds = 0;
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

[[nodiscard]] const std::vector<Spec>& worlds();

/// `pgaf-sim --exhaustive`: the worlds of that name, or all. Returns the exit code.
int run_exhaustive(const std::string& world, const Limits& limits);
void list_worlds();

}  // namespace pgaf::exhaustive
