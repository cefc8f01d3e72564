// pgaf-launcher: the postmaster's parent. It dies, and the postmaster with it; it is told to end, and hands over first.
#include <utility>

#include "common/mutation.h"
#include "tests/sim/faults.h"
#include "tests/sim/launcher.h"
#include "tests/sim/lease.h"
#include "tests/sim/loop.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

constexpr Micros handover_limit = 30 * sec;
/// What it is asked, and above that by which run of the keeper.
constexpr unsigned boot_at = 8;

}  // namespace

bool launcher_gets_to_it_later(World& w, NodeIx node, Ask ask) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.frozen) return false;
    const std::uint64_t by = w.keepers[node]->boot;
    m.held.push_back({Ev::launcher_asked, node, m.launcher.life, by << boot_at | static_cast<std::uint64_t>(ask)});
    return true;
}

void on_launcher_asked(World& w, NodeIx node, std::uint32_t life, std::uint64_t asked) {
    const Launcher& l = w.machines[node]->launcher;
    if (!l.alive || l.life != life) return;
    const auto ask = static_cast<Ask>(asked % (1U << boot_at));
    // It takes the next keeper's connection before it has read this one's to its end, or after that.
    const bool of_the_last = asked >> boot_at != w.keepers[node]->boot;
    if (ask != Ask::leave && of_the_last && w.chance(0.5)) return;
    switch (ask) {
        case Ask::start:
            (void)start_server(w, node);
            return;
        case Ask::stop_fast:
            return stop_fast(w, node);
        case Ask::stop_immediately:
            return stop_immediately(w, node);
        case Ask::reload:
            return reload_server(w, node);
        case Ask::let_go:
            return launcher_let_go(w, node);
        case Ask::leave:
            return end_launcher(w, node);
    }
}

void freeze_launcher(World& w, NodeIx node, bool frozen) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.alive || m.launcher.frozen == frozen) return;
    w.say(node, [&] { return std::string(frozen ? "the launcher is stopped (SIGSTOP)" : "the launcher goes on"); });
    m.launcher.frozen = frozen;
    if (frozen) return;
    m.went_on = w.now;
    // It looks at the clock before anything else (R8).
    check_deadline(w, node, true);
    if (!m.frozen) release_held(w, node);
}

void launcher_told(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive) return;
    const Launcher& l = w.machines[node]->launcher;
    // Each life of the launcher that has ended counts as one exit: the postmaster died with it.
    if (l.alive) {
        if (k.launcher_life != 0 && k.launcher_life != l.life) k.earlier_exits = k.exits + 1;
        k.launcher_life = l.life;
        k.exits = k.earlier_exits + l.exits;
        k.leaving = l.leaving;
    }
    k.launcher_connected = l.alive;
    k.machine_seen = 0;
    stir(w, node);
}

void start_launcher(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (m.launcher.alive || !m.power) return;
    // What an earlier life has left is ended first (R13).
    if (m.server && !broken(Mutation::r13)) {
        lose_postmaster(w, node);
        w.after(2 * ms, 50 * ms, {Ev::lingered, node, w.server(node)->run});
        return w.after(50 * ms, 200 * ms, {Ev::launcher_starts, node});
    }
    const std::uint32_t life = m.launcher.life + 1;
    m.launcher = {};
    m.launcher.alive = true;
    m.launcher.life = life;
    w.deadlines[node] = {};
    w.after(ms, 100 * ms, {Ev::launcher_starts, node, m.launcher.life});
}

void kill_launcher(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.alive) return;
    m.launcher.alive = m.launcher.leaving = m.launcher.ending = false;
    w.say(node, [] { return std::string("the launcher dies"); });
    if (std::exchange(m.launcher.frozen, false)) release_held(w, node);
    launcher_told(w, node);
    if (!m.server || !m.server->postmaster) return;
    // PR_SET_PDEATHSIG: SIGQUIT to the postmaster.
    m.server->postmaster = false;
    w.after(2 * ms, 100 * ms, {Ev::lingered, node, m.server->run});
}

void end_launcher(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.alive || launcher_gets_to_it_later(w, node, Ask::leave)) return;
    w.say(node, [] { return std::string("the launcher is told to end"); });
    const bool again = m.launcher.leaving;
    m.launcher.leaving = true;
    if (again || !w.keepers[node]->alive) return launcher_let_go(w, node);
    launcher_told(w, node);
    w.after(handover_limit, handover_limit, {Ev::handover_over, node, m.launcher.life});
}

void on_handover_over(World& w, NodeIx node, std::uint32_t life) {
    const Launcher& l = w.machines[node]->launcher;
    if (l.alive && l.leaving && l.life == life) launcher_let_go(w, node);
}

void launcher_let_go(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.alive || !m.launcher.leaving || launcher_gets_to_it_later(w, node, Ask::let_go)) return;
    m.launcher.ending = true;
    if (!m.server) return kill_launcher(w, node);
    stop_fast(w, node);
}

}  // namespace pgaf::sim
