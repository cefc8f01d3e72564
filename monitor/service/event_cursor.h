// Reads a cluster's event log on from a place, a small batch at a time, so that a slow reader costs no memory.
#pragma once

#include <deque>
#include <optional>

#include "monitor/service/coordinator.h"

namespace pgaf::monitor {

class EventCursor {
  public:
    /// Goes on after this seq.
    void start_after(std::uint64_t seq) { last_ = seq; }
    /// Begins with these, oldest first.
    void start_with(std::vector<Event> events);
    /// The next event; nothing when all were read. An error of the store ends the reading.
    Result<std::optional<Event>> next(Coordinator& coordinator, const ClusterName& cluster);
    [[nodiscard]] std::uint64_t last() const { return last_; }

  private:
    std::deque<Event> batch_;
    std::uint64_t last_ = 0;
};

}  // namespace pgaf::monitor
