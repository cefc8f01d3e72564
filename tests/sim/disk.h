// A disk that takes no writes: they hang, or they fail (detection, evidence 5). Reads go on. Says what becomes of
// whatever would have written, before the model carries it out.
#pragma once

#include <string>

#include "keeper/reconcile/step.h"
#include "tests/sim/world.h"

namespace pgaf::sim {

/// How long a write of the probe may take.
constexpr Micros probe_limit = 5 * sec;

/// `state_too`: the state file lies on the same disk. What hung ends when writes are done again.
void set_writes(World& w, NodeIx node, Writes writes, bool state_too);

/// The event is one that writes, and does not get to it: it waits for the disk, or its process ends for that.
[[nodiscard]] bool stopped_by_disk(World& w, const Event& event);

/// A keeper's step begins by writing settings: why it can't; a keeper that hangs in the write stands still.
enum class StepWrite : std::uint8_t { done, hangs, fails };
[[nodiscard]] StepWrite write_of_step(World& w, const Event& event, const keeper::Step& step);

/// keeper/postgres/disk_probe: what it would say; empty: nothing is wrong.
[[nodiscard]] std::string disk_trouble(const World& w, NodeIx node);

/// Since when a standby's receiver hangs in a write, and answers nobody; 0: it does not.
[[nodiscard]] Micros receiver_hangs_since(const Machine& m);

}  // namespace pgaf::sim
