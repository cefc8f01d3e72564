// R7 and R8 in the model: each machine's own clock, the launcher's deadline, and clients that read. What carries a
// lease and when it is over is decided by production code (keeper/reconcile/lease.h).
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

/// CLOCK_BOOTTIME of a machine (or of the monitor's): at a rate of its own, and going on while the machine sleeps.
[[nodiscard]] Millis boot_time(const World& w, std::size_t machine);
/// A time of the world's clock at which that clock shows `then`, or a little later.
[[nodiscard]] Micros when_it_is(const World& w, std::size_t machine, Millis then);

// ---- the keeper ----
/// A small WAL message, for the standbys to confirm; where it ends. Empty: there is no primary that would write it.
Lsn write_mark(World& w, NodeIx node);
/// It ends before the next heartbeat, unless something is heard.
[[nodiscard]] bool lease_is_short(const World& w, NodeIx node);
/// Tells the launcher until when the server may run without hearing from this keeper.
void hold_deadline(World& w, NodeIx node);
void on_deadline_held(World& w, NodeIx node, std::uint32_t boot, std::uint64_t told);

// ---- the launcher ----
void on_deadline_told(World& w, NodeIx node, std::uint32_t life, std::uint64_t told);
void on_deadline_over(World& w, NodeIx node, std::uint32_t life);
/// At every waking: stops the server when the deadline has passed. `slept`: the whole machine did; then backends may
/// have run a moment before the launcher, which the documentation says.
void check_deadline(World& w, NodeIx node, bool slept);

// ---- clients ----
/// A client reads on this server, which it gets into (I7).
void check_read(World& w, NodeIx node);

}  // namespace pgaf::sim
