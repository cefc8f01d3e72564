#include "tests/sim/nemesis_store.h"

#include <utility>

#include "tests/sim/monitor_ops.h"
#include "tests/sim/rival.h"

namespace pgaf::sim {
namespace {

/// With the file beside it gone too, an emptied store can't be told from a first start: keepers that have the data have
/// to be there, says the documentation.
bool all_can_tell(const World& w) {
    for (NodeIx n = 0; n < w.nodes(); ++n) {
        const auto& state = w.machines[n]->disk.state;
        if (!state || !state->goal || state->system_id.empty() || w.machines[n]->disk.state_damaged) return false;
    }
    return true;
}

/// Of an act's number; nothing is drawn, so that a run without the act is otherwise the same.
bool bit(const Act& act, unsigned number) {
    return (act.other >> (8 + number) & 1U) != 0;
}

void lose_or_put_back(World& w, const Act& act, MonitorStore by) {
    kill_monitor(w, bit(act, 1));
    const bool empty = !by.record;
    const bool file_too = bit(act, 2) && (!empty || all_can_tell(w));
    w.say(nobody, [&] {
        return std::string("the monitor's store ") + (empty ? "is lost" : "is put back") +
               (file_too ? ", and the file beside it is gone" : "");
    });
    replace(w.monitor.edit().store, std::move(by), file_too);
    // What goes with the store and was told to nobody has no effect.
    Ghost& ghost = w.ghost.edit();
    ghost.told.erase(std::exchange(ghost.untold, 0));
}

}  // namespace

void begin_act_of_store(World& w, Act& act) {
    if (w.rival->alive) return;
    // What somebody may restore: of this moment, or of an episode long past.
    act.store_before = w.backup && bit(act, 0) ? *w.backup : w.monitor->store;
    if (!w.backup || bit(act, 3)) w.backup = w.monitor->store;
    if (act.harm == Harm::lose_store) return lose_or_put_back(w, act, {});
    if (act.harm != Harm::second_monitor) return;
    if (bit(act, 4)) return start_second(w, bit(act, 5) || bit(act, 6));
    if (w.monitor->store.life == 0) return;
    MonitorStore own = bit(act, 5) ? *act.store_before : MonitorStore{};
    own.beside.reset();
    if (!own.record && !all_can_tell(w)) return;
    start_stranger(w, own);
}

void end_act_of_store(World& w, Act& act) {
    switch (act.harm) {
        case Harm::lose_store:
            return w.after(ms, 500 * ms, {Ev::monitor_starts});
        case Harm::old_store:
            if (!act.store_before || w.rival->alive) return;
            lose_or_put_back(w, act, *act.store_before);
            return w.after(ms, 500 * ms, {Ev::monitor_starts});
        default:
            return end_rival(w, bit(act, 7));
    }
}

void repair_monitors(World& w) {
    end_rival(w, true);
}

}  // namespace pgaf::sim
