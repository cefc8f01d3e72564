// Which sync rule a primary should have, from the health of its standbys and the operator's settings.
#pragma once

#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// The rule that the steady cluster wants now. Equal to the newest rule when nothing is to change. Never below the
/// present k while number_sync_standbys >= 1: then writes wait (protocol: "Degrading").
[[nodiscard]] SyncRule wanted_rule(const World& world);

/// Is this node good enough to be, or to stay, a member of the rule? Joining asks for more than staying.
[[nodiscard]] bool healthy_member(const World& world, const NodeRecord& node);

/// Peers that this node has no slot for: a survivor may need WAL from it (protocol: "What PostgreSQL does").
[[nodiscard]] std::vector<NodeName> peers_without_slot(const World& world, const NodeRecord& node,
                                                       const Report& report);

/// What a running standby waits for before it may join the rule, for people; empty when it waits for nothing.
[[nodiscard]] std::string waits_to_join(const World& world, const NodeRecord& node);

/// synchronous_standby_names as PostgreSQL would show it; the closed rule where nobody can satisfy it.
[[nodiscard]] std::string standby_names(const ClusterRecord& record, const SyncRule& rule);

/// The rule in words, for the event log.
[[nodiscard]] std::string shown_rule(const ClusterRecord& record, const SyncRule& rule);

}  // namespace pgaf::fsm
