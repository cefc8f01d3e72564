// Clients: they write wherever a server takes writes, and remember what they were told.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

/// All clients have a try; plans the next one.
void on_client(World& w);
/// One client commits at this node, if it gets in.
bool try_commit(World& w, NodeIx node);

}  // namespace pgaf::sim
