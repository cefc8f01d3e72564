// pgaf-launcher on a machine: what it does at once when it is asked, or when it goes on.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

/// Its process comes and goes; the postmaster dies with it.
void start_launcher(World& w, NodeIx node);
void kill_launcher(World& w, NodeIx node);
/// SIGTERM: hand over first, within a limit.
void end_launcher(World& w, NodeIx node);
void on_handover_over(World& w, NodeIx node, std::uint32_t life);
/// The launcher has news: the keeper looks at once.
void launcher_told(World& w, NodeIx node);
void launcher_let_go(World& w, NodeIx node);

/// What it may be asked for.
enum class Ask : std::uint8_t { start, stop_fast, stop_immediately, reload, let_go, leave };
/// True: it stands still, and does it when it goes on, whatever has become of its keeper by then.
[[nodiscard]] bool launcher_gets_to_it_later(World& w, NodeIx node, Ask ask);
void on_launcher_asked(World& w, NodeIx node, std::uint32_t life, std::uint64_t asked);

}  // namespace pgaf::sim
