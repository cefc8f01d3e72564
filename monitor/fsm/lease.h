// R7: when an asynchronous cluster may fail over although its rule proves nothing, and what that may lose.
#pragma once

#include <optional>
#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// A rule in force acknowledges commits without a standby, and has members that may take over.
[[nodiscard]] bool asynchronous_in_force(const World& world);

/// How long after the later of the monitor's last answer to the last primary and the last fence its lease has certainly
/// run out, and its server has stopped: the lease, a margin for clocks of different rates, and one for the stop.
[[nodiscard]] Millis lease_wait(const World& world);
/// The moment after which that is so; nothing: not every member is fenced yet.
[[nodiscard]] std::optional<Millis> lease_over_at(const World& world);
[[nodiscard]] bool lease_certainly_over(const World& world);

/// The newest position that the last primary is known to have had: from its own reports, and from what any node has of
/// its WAL. Empty timeline: not known, for the monitor has not heard it since it was started.
[[nodiscard]] WalPosition last_known(const World& world);
/// How many bytes of WAL before that point this node lacks; nothing: that can't be told.
[[nodiscard]] std::optional<std::uint64_t> bytes_lacking(const World& world, const Report& report);
/// Not more than the user allows (`maximum_lag_on_failover`). Always where no rule with k = 0 is in force.
[[nodiscard]] bool within_allowed_loss(const World& world, const Report& report);

/// "commits between 0/5000 and 0/6000 (4096 bytes) ...": what promoting this node may lose, for people.
[[nodiscard]] std::string possible_loss(const World& world, const Report& report);

}  // namespace pgaf::fsm
