// The invariants: what must never be seen, asked where it could happen.
#pragma once

#include <string>

#include "tests/sim/world.h"

namespace pgaf::sim {

/// Whose primary this server is: the epoch of its keeper's newest goal that says primary, while it is the newest reign
/// of this node; 0: of none.
[[nodiscard]] std::uint64_t epoch_served(const World& w, NodeIx node);
/// A client has been told that its commit is done (I2, I3, R3, R6).
void check_acknowledged(World& w, NodeIx node, std::uint64_t lsn);
/// A client that comes in sees everything up to there (I2, R9).
void check_seen(World& w, NodeIx node, std::uint64_t lsn);
/// A server runs read-write as the primary of the epoch that its keeper has promised (I2).
void check_reign(World& w, NodeIx node);
/// A server has begun a timeline (I10).
void check_timeline(World& w, NodeIx node, std::uint32_t timeline);
/// What a standby has on its disk when it answers; the answer may arrive after its end.
void note_confirmed(World& w, NodeIx standby);
/// A standby confirms WAL (I10). `counts`: its walsender may release commits.
void check_confirmed(World& w, NodeIx primary, NodeIx standby, bool counts);
/// A promise is durable, or is acted on (I4).
void check_promised(World& w, NodeIx node, const Stamp& stamp);
void check_acts(World& w, NodeIx node);
/// The monitor has decided (I1, I3, I5).
void check_decided(World& w, const fsm::ClusterRecord& before, const fsm::ClusterRecord& after);
/// The monitor has heard a report of a primary (R7).
void note_heard(World& w, const Report& report);
/// A server has ended, or lost its primary, and nobody but the monitor was away (I8).
void check_left_alone(World& w, NodeIx node, const std::string& what);
/// What is shown as healthy is (I9).
void check_healthy(World& w);
/// A disk was put back: what no disk has any more is lost, and nobody could have kept it.
void forget_destroyed(World& w);

}  // namespace pgaf::sim
