// Gauges of nodes and clusters, made from what the coordinator says of them at the moment: the series of a node that
// was dropped go away with it.
#pragma once

#include "common/metrics/family.h"
#include "monitor/service/coordinator.h"

namespace pgaf::monitor {

/// On the strand.
void add_gauges(metrics::Families& all, const Coordinator& coordinator);

}  // namespace pgaf::monitor
