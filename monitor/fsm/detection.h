// Is the primary lost? Only the combination of evidence decides, and it is written down (protocol: "Detection").
#pragma once

#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

struct Verdict {
    bool lost = false;
    /// What speaks for and against it, for the event log.
    std::string evidence;
};

/// Evidence 2 and 3: the session was reset, or the node is silent, and its standbys corroborate it.
[[nodiscard]] Verdict primary_verdict(const World& world);

/// The whole cluster boots, as far as this monitor has seen: it waits a while for its last primary (R9).
[[nodiscard]] bool booting(const World& world);

/// This monitor has just begun to decide, and nodes that were there before may still be on their way back to it.
[[nodiscard]] bool reconnecting(const World& world);

/// Sends probes of the primary to its standbys where they are due, and asks to be woken when time itself is evidence.
void look_at_primary(World& world);

}  // namespace pgaf::fsm
