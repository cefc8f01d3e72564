// Messages between keepers and the monitor, cuts and heals, probes of ports.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

// ---- sessions ----
[[nodiscard]] std::uint32_t begin_session(World& w, NodeIx node, std::uint32_t boot);
void send_up(World& w, std::uint32_t session, UpMessage message);
void send_down(World& w, std::uint32_t session, DownMessage message);
/// The next message that has come; nothing when the session is over, or the network does not let it through yet.
[[nodiscard]] std::optional<UpMessage> take_up(World& w, std::uint32_t session);
[[nodiscard]] std::optional<DownMessage> take_down(World& w, std::uint32_t session);
/// One end closes; the other hears of it after what was sent before.
void end_session_of_keeper(World& w, std::uint32_t session);
void end_session_of_monitor(World& w, std::uint32_t session);
/// The machine of one end is gone without a word.
void forget_end(World& w, std::uint32_t session, bool monitor_end);
/// What waited for the network is sent again, and comes all at once.
void send_up_again(World& w, Session& session);

// ---- the network itself ----
void cut(World& w, std::size_t from, std::size_t to);
void heal(World& w, std::size_t from, std::size_t to);
void heal_all(World& w);
void set_slow(World& w, std::size_t from, std::size_t to, std::uint32_t factor);

/// What a look at another node's port finds (keeper/service/probe).
[[nodiscard]] PortState look_at_port(const World& w, NodeIx node, NodeIx target);

}  // namespace pgaf::sim
