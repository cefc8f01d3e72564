// A whole simulated world: machines, keepers, a monitor, a network and clients, with a virtual clock. A plain value;
// each part is shared with other worlds until it changes. Knows how events are ordered, and which file carries out
// which.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/agenda.h"
#include "tests/sim/cow.h"
#include "tests/sim/ghost.h"
#include "tests/sim/keeper.h"
#include "tests/sim/monitor.h"
#include "tests/sim/network.h"
#include "tests/sim/rng.h"
#include "tests/sim/trace.h"

namespace pgaf::sim {

struct Options {
    std::uint64_t seed = 1;
    std::size_t nodes = 3;
    fsm::Settings settings;
    std::vector<std::uint32_t> priorities;
    /// Node without a vote in sync rules; nobody: all have one.
    NodeIx without_quorum = nobody;
    /// Half of the commits are as large as a segment.
    bool large = false;
    /// How much faster each machine's clock runs than the world's, the monitor's last, in millionths.
    std::vector<std::int64_t> drift_ppm;
    /// There is no clock: whatever is planned may come next, and nothing is left to chance.
    bool untimed = false;
};

/// R8: until when a launcher lets its server run. Apart from its machine, which is looked at anew when it changes.
struct LauncherDeadline {
    /// By the machine's clock; 0: none.
    Millis until;
    /// When it is looked at next; 0: not planned.
    Micros timer = 0;
};

struct World {
    std::shared_ptr<const Options> options;
    Micros now = 0;
    Agenda agenda;
    Rng rng;
    std::vector<Cow<Machine>> machines;
    std::vector<Cow<Keeper>> keepers;
    std::vector<LauncherDeadline> deadlines;
    Cow<Monitor> monitor;
    /// A second one beside it, and how many processes there have been (rival.h).
    Cow<Monitor> rival;
    bool rival_shares_store = false;
    std::uint32_t monitors = 0;
    /// A backup of the store that somebody has kept.
    std::optional<MonitorStore> backup;
    /// The newest record that was no doubtful one, whatever became of its store.
    std::optional<fsm::ClusterRecord> decided;
    Cow<Network> network;
    Cow<Archive> archive;
    Cow<Ghost> ghost;
    Count count;
    /// Events since the clock last moved.
    std::size_t same_time = 0;
    Trace* trace = nullptr;

    explicit World(std::shared_ptr<const Options> with);

    [[nodiscard]] std::size_t nodes() const { return machines.size(); }
    [[nodiscard]] std::size_t monitor_place() const { return machines.size(); }
    [[nodiscard]] std::size_t client_place() const { return machines.size() + 1; }

    // ---- what is left to chance: nothing, in a world without a clock ----
    [[nodiscard]] bool chance(double p) { return !options->untimed && rng.chance(p); }
    [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high) {
        return options->untimed ? low : rng.between(low, high);
    }
    /// Plans an event for some time between the two from now. A few come much later: processes that are not scheduled.
    void after(Micros low, Micros high, const Event& event);
    void at(Micros when, const Event& event) { agenda.at(when, event); }

    [[nodiscard]] const std::optional<Server>& server(NodeIx node) const { return machines[node]->server; }
    Server& edit_server(NodeIx node) { return *machines[node].edit().server; }
    [[nodiscard]] bool machine_runs(NodeIx node) const { return machines[node]->power && !machines[node]->frozen; }
    [[nodiscard]] bool keeper_runs(NodeIx node) const {
        return machine_runs(node) && keepers[node]->alive && !keepers[node]->frozen;
    }

    /// Something was found that must not be. The first one counts.
    void violated(const std::string& what);
    [[nodiscard]] bool broken_now() const { return ghost->violation.has_value(); }

    /// Carries out the next event.
    void step();
    void happen(const Event& event);
    /// The same, by the process that is the world's monitor now.
    void carry_out(const Event& event);

    template <class F>
    void say(NodeIx node, F&& text) {
        if (trace) trace->add(now, node, text());
    }
};

}  // namespace pgaf::sim
