// What can be done to a world from outside: to processes, machines, disks and the network. Each is one act, whoever
// chooses it (the nemesis by its seed, a script, or the walk through every interleaving).
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

/// Everything that was down on this machine starts: launcher, then keeper.
void power_on(World& w, NodeIx node);
/// The plug is pulled.
void power_off(World& w, NodeIx node);
/// SIGSTOP of everything on the machine, or the machine sleeps.
void freeze(World& w, NodeIx node, bool frozen);
void freeze_keeper(World& w, NodeIx node, bool frozen);
/// SIGSTOP of PostgreSQL's processes only.
void freeze_server(World& w, NodeIx node, bool frozen);
/// SIGSTOP of the postmaster alone: nobody gets a new session.
void freeze_postmaster(World& w, NodeIx node, bool frozen);
/// SIGSTOP of the launcher alone: PostgreSQL and the keeper go on.
void freeze_launcher(World& w, NodeIx node, bool frozen);
/// Walsenders do not get round to reading their settings anew, and release commits as before.
void delay_reloads(World& w, NodeIx node, bool delayed);
void freeze_sender(World& w, NodeIx node, NodeIx peer, bool frozen);
/// Launcher, keeper and postmaster are killed together; the machine lives.
void kill_all(World& w, NodeIx node);

/// The data folder is emptied, and the state folder with it if told so. The machine is down meanwhile.
void empty_disk(World& w, NodeIx node, bool state_too);
void lose_state_file(World& w, NodeIx node);
void damage_state_file(World& w, NodeIx node);
/// The whole disk is put back to what it was.
void put_back(World& w, NodeIx node, const Disk& disk);
/// A data folder of before is put in place, and the state folder is removed: the node is added as one that has data.
void bring_back(World& w, NodeIx node, const Disk& disk);
/// Its state file alone is; its PostgreSQL runs on meanwhile.
void put_back_state(World& w, NodeIx node, const std::optional<keeper::Promise>& state);
/// Another node has a whole data folder.
[[nodiscard]] bool has_data_elsewhere(const World& w, NodeIx node);
/// What an operator does with a node that says it has to be reset: its data are kept where no other node has any.
void reset_node(World& w, NodeIx node);

/// A tool connects under a standby's name and confirms all it gets (R14).
void add_impostor(World& w, NodeIx primary, NodeIx as);
/// The network delivers a goal once more that this run of the keeper has been sent before.
void echo_goal(World& w, NodeIx node);

}  // namespace pgaf::sim
