#include "tests/sim/rival.h"

#include <utility>

#include "tests/sim/monitor_ops.h"
#include "tests/sim/session_faults.h"

namespace pgaf::sim {
namespace {

void change_places(World& w) {
    std::swap(w.monitor, w.rival);
    if (w.rival_shares_store) std::swap(w.monitor.edit().store, w.rival.edit().store);
}

}  // namespace

AsRival::AsRival(World& w) : w_(w) {
    change_places(w_);
}
AsRival::~AsRival() {
    change_places(w_);
}

bool concerns_rival(const World& w, const Event& event) {
    if (!w.rival->alive) return false;
    if (event.kind == Ev::tick) return event.tag == w.rival->life;
    if (event.kind != Ev::up) return false;
    const Session* s = w.network->find(event.tag);
    return s && s->monitor == w.rival->life;
}

void start_second(World& w, bool first_stands_still) {
    if (!w.monitor->alive || w.rival->alive) return;
    freeze_monitor(w, first_stands_still);
    Monitor second;
    second.store = w.monitor->store;
    w.rival = std::exchange(w.monitor, Cow<Monitor>(std::move(second)));
    w.rival_shares_store = true;
    start_monitor(w);
}

void start_stranger(World& w, const MonitorStore& store) {
    if (!w.monitor->alive || w.rival->alive) return;
    Monitor second;
    second.store = store;
    w.rival = std::exchange(w.monitor, Cow<Monitor>(std::move(second)));
    w.rival_shares_store = false;
    start_monitor(w);
    for (NodeIx n = 0; n < w.nodes(); ++n)
        if (w.chance(0.5)) reset_session(w, n);
}

void thaw_rival(World& w) {
    if (!w.rival->alive) return;
    const AsRival scope(w);
    freeze_monitor(w, false);
}

void end_rival(World& w, bool keep_first) {
    if (!w.rival->alive) return;
    thaw_rival(w);
    if (w.rival_shares_store) return;
    if (keep_first) {
        std::swap(w.monitor, w.rival);
        freeze_monitor(w, false);
    }
    const AsRival scope(w);
    kill_monitor(w, true);
}

std::uint32_t monitor_to_find(World& w) {
    const bool other = w.rival->alive && !w.rival_shares_store && w.chance(0.5);
    return other ? w.rival->life : w.monitor->life;
}

}  // namespace pgaf::sim
