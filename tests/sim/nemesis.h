// Chooses what goes wrong, by its own random numbers: a run with one act less is otherwise the same, so that a run that
// found something can be made shorter.
#pragma once

#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "tests/sim/faults.h"

namespace pgaf::sim {

BOOST_DEFINE_ENUM_CLASS(Harm,
                        // processes and machines
                        postmaster, backend, keeper, launcher, all_processes, power, freeze, freeze_keeper,
                        freeze_server, freeze_sender, freeze_postmaster, freeze_launcher, leave,
                        // network
                        isolate, cut_monitor, cut_pair, one_way, slow, reset_session, late_session, break_at,
                        cut_clients, echo,
                        // monitor
                        monitor, monitor_dies, freeze_monitor,
                        // disks
                        empty_disk, snapshot, lose_state, damage_state, old_state, bad_state_disk, slow_disk, hung_disk,
                        failing_disk,
                        // PostgreSQL
                        hold_replay, late_rule, impostor,
                        // operators
                        switchover, failover, maintenance, drop, add_again, sync_standbys, priority, quorum, lease,
                        timing, asynchronous,
                        // the monitor's store, and a second monitor
                        lose_store, old_store, second_monitor)

/// Whom an act is meant for; settled when it is carried out.
BOOST_DEFINE_ENUM_CLASS(Victim, primary, standby, any)

struct Act {
    std::size_t number = 0;
    Harm harm = Harm::postmaster;
    Victim victim = Victim::any;
    std::uint32_t pick = 0;
    std::uint32_t other = 0;
    Micros start = 0;
    Micros length = 0;
    // Settled at its start.
    NodeIx node = nobody;
    NodeIx peer = nobody;
    std::optional<Disk> before;
    std::optional<MonitorStore> store_before;
};

struct Episode {
    std::vector<Act> acts;
    /// Nothing but the monitor is away (I8).
    bool monitor_alone = false;
    Micros rest = 0;
};

class Nemesis {
  public:
    /// `only`: what it may do; empty: everything.
    Nemesis(std::uint64_t seed, std::size_t nodes, std::vector<Harm> only)
        : rng_(seed ^ 0x6e656d65736973ULL), nodes_(nodes), only_(std::move(only)) {}

    /// Mean time between episodes.
    [[nodiscard]] Episode next(Micros mean_rest);

  private:
    Act act(Micros from);
    Rng rng_;
    std::size_t nodes_;
    std::vector<Harm> only_;
    std::size_t acts_ = 0;
};

void begin_act(World& w, Act& act);
void end_act(World& w, Act& act);
/// Everything works again, as far as machines, processes and the network go.
void repair(World& w);
[[nodiscard]] std::string text(const Act& act);
/// It may have destroyed what only one node had.
[[nodiscard]] bool destroys(Harm harm);
/// That alone takes nothing from any node, and no operator is needed after it.
[[nodiscard]] bool is_of_store(Harm harm);

}  // namespace pgaf::sim
