// pgaf-launcher: the postmaster's parent. It dies, and the postmaster with it; it is told to end, and hands over first.
#include "common/mutation.h"
#include "tests/sim/loop.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

constexpr Micros handover_limit = 30 * sec;

}  // namespace

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
    m.launcher = Launcher{true, m.launcher.life + 1, 0, false, false, false, false};
    w.deadlines[node] = {};
    w.after(ms, 100 * ms, {Ev::launcher_starts, node, m.launcher.life});
}

void kill_launcher(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.alive) return;
    m.launcher.alive = m.launcher.leaving = m.launcher.ending = false;
    w.say(node, [] { return std::string("the launcher dies"); });
    launcher_told(w, node);
    if (!m.server || !m.server->postmaster) return;
    // PR_SET_PDEATHSIG: SIGQUIT to the postmaster.
    m.server->postmaster = false;
    w.after(2 * ms, 100 * ms, {Ev::lingered, node, m.server->run});
}

void end_launcher(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (!m.launcher.alive) return;
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
    if (!m.launcher.alive || !m.launcher.leaving) return;
    m.launcher.ending = true;
    if (!m.server) return kill_launcher(w, node);
    stop_fast(w, node);
}

}  // namespace pgaf::sim
