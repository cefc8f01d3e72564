// A primary and its standbys that all live and reach the monitor, and do not reach each other: writes wait, and another
// node would have its standbys.
#pragma once

#include "monitor/fsm/detection.h"
#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// Fewer standbys stream from the primary than the rule waits for, for node_timeout, as it says itself; others say so
/// too, are well, and one that may be promoted reaches as many of them as the rule asks for. Only where writes wait for
/// standbys by the operator's setting: with number_sync_standbys = 0 the rule gets smaller instead.
[[nodiscard]] Verdict cut_off_verdict(const World& world);

/// While that may be so: asks those standbys to look at each other.
void look_at_survivors(World& world);

}  // namespace pgaf::fsm
