// R4: what a node says below what it, or its WAL, was known to have counts for nothing: its disk was put back.
#pragma once

#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// Why this report counts for nothing: it is below what the same incarnation said before, or shows a timeline under an
/// id that was another's; empty when it counts.
[[nodiscard]] std::string amnesia(const ClusterRecord& record, const NodeRecord& n, const NodeView& v, const Report& r);

/// Keeps the highest end of complete records that a trusted report shows.
void remember_end(const World& world, NodeRecord& n, NodeView& v, const Report& r);

/// Whether it would have shown by now that the last primary's disk was put back (R4, R9). A keeper that has seen
/// it read-write in its own run knows that it was not; after a start of the keeper enough members of every rule, as
/// many as an election would need, have to say where their WAL ends, or were given node_timeout to. No longer: one
/// surviving old primary is enough after a power loss.
[[nodiscard]] bool loss_would_show(const World& world);

/// The last primary has never less than what its standbys had from it (a walsender sends only what its own server has
/// flushed). One that has less is not trusted from then on: it gets no permit to start (R9). After each report, whoever
/// made it.
void distrust_put_back_primary(World& world);

}  // namespace pgaf::fsm
