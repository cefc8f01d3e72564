// A keeper's process: keeper/service/loop, loop_monitor, promise_keeper and session, on the virtual clock. The
// decisions are production code (keeper/reconcile); what is written here again is only the order in which it is asked.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

// ---- the process ----
void start_keeper(World& w, NodeIx node);
/// SIGKILL. A write of the state file under way may have been done, or not.
void kill_keeper(World& w, NodeIx node);

// ---- loop.cc ----
void on_look(World& w, NodeIx node, std::uint32_t timer);
void on_looked(World& w, NodeIx node, std::uint32_t boot);
void on_pulse(World& w, NodeIx node, std::uint32_t boot);
void on_stored(World& w, NodeIx node, std::uint32_t boot);
void think(World& w, NodeIx node);
/// The step under way has ended. `why` empty: it is done.
void step_ended(World& w, NodeIx node, const std::string& why);
void stir(World& w, NodeIx node);
void plan_look(World& w, NodeIx node, Micros low, Micros high);
void pass_time(World& w, NodeIx node);
/// A change of the promise takes its turn at the disk.
void ask_for_change(World& w, NodeIx node, Change change);

// ---- loop_monitor.cc: what the monitor says and is told ----
void on_connect(World& w, NodeIx node, std::uint32_t boot);
void on_silence(World& w, NodeIx node, std::uint32_t session);
void on_down(World& w, NodeIx node, std::uint32_t session);
void on_probed(World& w, NodeIx node, std::uint32_t boot);
void on_state_again(World& w, NodeIx node, std::uint32_t boot);
void on_goal(World& w, NodeIx node, const Goal& goal);
void take_inbox(World& w, NodeIx node);
/// What take_goal() does once the goal is durable, or refused.
void goal_taken(World& w, NodeIx node, bool changed, bool accepted);
void folder_changed(World& w, NodeIx node, bool new_one);
void open_session(World& w, NodeIx node);
void close_session(World& w, NodeIx node);
void consider_let_go(World& w, NodeIx node);
void report_if_news(World& w, NodeIx node);
void send_report(World& w, NodeIx node);

// ---- facts.cc ----
/// One that gives no answer, or no new session, for so long is stuck (detection, evidence 4).
constexpr Micros stuck_limit = 5 * sec;
[[nodiscard]] keeper::Facts observe(World& w, NodeIx node, bool mark);

}  // namespace pgaf::sim
