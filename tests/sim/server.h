// A server's life in the model: start, recovery, reload, promotion, stops and deaths. What happens at once is a
// function with a verb, what happens later an on_...() that an event calls.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

// ---- what the launcher or the operating system does ----
/// False: something of an earlier server still lives, or there is no folder.
bool start_server(World& w, NodeIx node);
void reload_server(World& w, NodeIx node);
void stop_fast(World& w, NodeIx node);
void stop_immediately(World& w, NodeIx node);
/// SIGKILL to the postmaster: its children live on until somebody ends them (R13).
void kill_postmaster(World& w, NodeIx node);
/// A backend dies: the postmaster ends all others and itself (restart_after_crash is off).
void crash_backend(World& w, NodeIx node);
/// The postmaster ends, whatever stood still; its children end later.
void lose_postmaster(World& w, NodeIx node);
/// Its processes end, but for what holds up the word of its exit.
void end_children(World& w, NodeIx node);
/// Every process is gone at once, and what was not flushed. `torn`: what was on its way was written in part.
void lose_server(World& w, NodeIx node, bool torn);

// ---- what a keeper asks for by SQL or signal ----
void promote_server(World& w, NodeIx node);
/// A WAL message of the keeper's own, which waits for nobody: standbys that have been idle answer.
void write_message(World& w, NodeIx node);
void hold_replay(World& w, NodeIx node, bool held);

void on_started(World& w, NodeIx node, std::uint32_t run);
void on_reloaded(World& w, NodeIx node, std::uint32_t run);
void on_startup_reloads(World& w, NodeIx node, std::uint32_t run);
void on_promoted(World& w, NodeIx node, std::uint32_t run);
void on_shut_down(World& w, NodeIx node, std::uint32_t run);
void on_walsenders_ended(World& w, NodeIx node, std::uint32_t run);
void on_reaped(World& w, NodeIx node, std::uint32_t run);
void on_lingered(World& w, NodeIx node, std::uint32_t run);
/// A stopping primary waits for its standbys to have the shutdown checkpoint.
void look_whether_drained(World& w, NodeIx node);

/// Processes that were stopped go on: what was held back happens now, in its order.
void release_held(World& w, NodeIx node);

/// The server's current timeline, as it would say itself.
[[nodiscard]] std::uint32_t timeline_of(const World& w, NodeIx node);
/// The launcher says that a postmaster lives.
[[nodiscard]] bool postmaster_lives(const World& w, NodeIx node);

}  // namespace pgaf::sim
