// The monitor's process: monitor/service/coordinator on the virtual clock, around the production heart.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

void start_monitor(World& w);
/// SIGKILL; `told`: the machine lives, so the keepers hear of it.
void kill_monitor(World& w, bool told);
void freeze_monitor(World& w, bool frozen);
void on_up(World& w, NodeIx node, std::uint32_t session);
void on_tick(World& w, std::uint32_t life);
/// An operator's command; its last answer is kept in the monitor's list.
void give_command(World& w, fsm::Command command);

[[nodiscard]] Millis monitor_now(const World& w);

}  // namespace pgaf::sim
