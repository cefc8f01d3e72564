// The checkpointer: by its word commits wait for standbys, or do not (T); and it ends a fast stop.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

[[nodiscard]] bool by_checkpointer(const Event& event);
/// SIGSTOP of it alone.
void freeze_checkpointer(World& w, NodeIx node, bool frozen);
void on_checkpointer_reloads(World& w, NodeIx node, std::uint32_t run);
void make_checkpoint(World& w, NodeIx node);

}  // namespace pgaf::sim
