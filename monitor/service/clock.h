// The monitor's clock: how long ago things were, and what time people's clocks show. Nothing else of the monitor reads
// a clock.
#pragma once

#include <cstdint>
#include <functional>

#include "common/ids.h"

namespace pgaf::monitor {

/// CLOCK_BOOTTIME, in milliseconds: it runs on while the machine sleeps and nobody can set it.
[[nodiscard]] Millis boot_time();
/// For people, never for decisions.
[[nodiscard]] std::int64_t wall_clock_unix_ms();

/// Boot time less the time in which this process itself was kept from running: stopped, swapped out, in a suspended
/// machine, in an fsync that took seconds. What keepers said meanwhile waits unread in the sockets; without this the
/// first thing that a monitor saw after its own freeze would be that every node has been silent.
///
/// Slow only: a deadline may come later than by boot time, never earlier.
class AwakeClock {
  public:
    /// now() is to be called at least every `longest_gap`; more than that between two calls does not count.
    explicit AwakeClock(Millis longest_gap, std::function<Millis()> source = boot_time);
    Millis now();
    /// Time that was left out so far.
    [[nodiscard]] Millis left_out() const { return left_out_; }

  private:
    Millis longest_gap_;
    std::function<Millis()> source_;
    Millis last_;
    Millis left_out_;
};

}  // namespace pgaf::monitor
