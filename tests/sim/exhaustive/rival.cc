// A second monitor process on the store, after the first one was stopped and taken for dead (R10). With r10 broken the
// first one goes on as if nothing had happened: neither does the store refuse it, nor do keepers look at its term.
#include <utility>

#include "common/mutation.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

constexpr std::uint8_t acts = 0x80;

std::uint8_t all_nodes(const Scene& s) {
    return static_cast<std::uint8_t>((1U << s.nodes()) - 1);
}

void change_places(Scene& s) {
    std::swap(s.world.monitor, s.world.rival);
    s.world.with_rival ^= all_nodes(s);
}

}  // namespace

AsRival::AsRival(Scene& scene) : s_(scene) {
    change_places(s_);
}
AsRival::~AsRival() {
    change_places(s_);
}

bool with_rival(const Scene& s, NodeIx n) {
    return (s.world.with_rival & (1U << n)) != 0;
}
bool rival_acts(const Scene& s) {
    return (s.world.with_rival & acts) != 0;
}

bool overtake(Scene& s) {
    if (!s.monitor().alive || s.world.rival != 0 || !s.spend(Luck::overtakes)) return false;
    fsm::ClusterRecord stored = s.monitor().record;
    s.world.rival = s.world.monitor;
    s.world.with_rival = 0;
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        if (s.node(n).keeper.connected) s.world.with_rival |= static_cast<std::uint8_t>(1U << n);
        s.world.up[n] = 0;
    }
    s.world.closing = 0;
    s.world.monitor = s.search.pools.monitors.put({false, std::move(stored), {}, std::nullopt});
    return start_monitor(s);
}

bool rival_goes_on(Scene& s) {
    if (s.world.rival == 0 || rival_acts(s)) return false;
    if (!broken(Mutation::r10)) {
        for (NodeIx n = 0; n < s.nodes(); ++n)
            if (with_rival(s, n)) lose_session(s, n);
        s.world.rival = 0;
        return true;
    }
    s.world.with_rival |= acts;
    const AsRival scope(s);
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        const auto view = s.monitor().memory.views.find(name_of(n));
        if (with_rival(s, n) && view != s.monitor().memory.views.end() && view->second.connected)
            heart_step(s, fsm::SessionClosed{name_of(n), view->second.boot});
    }
    return true;
}

}  // namespace pgaf::exhaustive
