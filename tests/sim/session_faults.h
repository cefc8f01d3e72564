// What becomes of sessions between keepers and the monitor beside cuts: one breaks exactly at a message, or its last
// messages arrive when the next one has begun. TCP gives no message twice; but a machine goes on sending what a process
// wrote that has closed its connection, or has died.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

/// The node's session is reset; what is on its way in it is lost, but for what is held.
void reset_session(World& w, NodeIx node);

/// A session of the node breaks at this message.
void break_session_at(World& w, NodeIx node, const BreakAt& at);
/// This message has come. True: nobody sees it, since the session breaks before.
[[nodiscard]] bool breaks_at(World& w, std::uint32_t session, const UpMessage& message);
[[nodiscard]] bool breaks_at(World& w, std::uint32_t session, const DownMessage& message);
/// A message of this session has been dealt with: what was answered is lost if it breaks at that one.
void break_if_due(World& w, std::uint32_t session);

/// From now on nothing arrives of what the keeper says in its session, or in a new one that it has to begin.
void hold_session(World& w, NodeIx node, bool next);
/// Its keeper sees the end of it, or dies and is started again.
void on_session_breaks(World& w, NodeIx node, bool keeper_dies);
/// What was held arrives, or is lost.
void end_session_faults(World& w, NodeIx node, bool lost);

}  // namespace pgaf::sim
