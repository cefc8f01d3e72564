// The monitor's process and its store: monitor/service/coordinator in small. Plain values; monitor.cc moves them.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "monitor/fsm/heart.h"
#include "tests/sim/event.h"
#include "tests/sim/store.h"

namespace pgaf::sim {

struct MonitorSession {
    std::uint32_t id = 0;
    NodeIx node = nobody;
    BootId boot;
};

struct Monitor {
    MonitorStore store;
    bool alive = false;
    bool frozen = false;
    Micros started = 0;
    Micros frozen_since = 0;
    /// Time in which it was frozen does not count for the heart (monitor/service/clock.h).
    Micros left_out = 0;
    /// The number of its process, never used before.
    std::uint32_t life = 0;
    std::optional<fsm::Heart> heart;
    std::vector<MonitorSession> sessions;
    Micros wake_at = 0;
    /// What came while it was frozen.
    std::vector<Event> held;
    ///   1: it dies before its next decision is durable; 2: after that, before anything is sent; 3: after the first
    ///   message
    int dies_at_decision = 0;
    std::uint64_t last_command = 0;
    std::vector<std::pair<std::uint64_t, std::string>> commands;
};

}  // namespace pgaf::sim
