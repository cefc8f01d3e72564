#include "monitor/fsm/detection.h"

#include <algorithm>
#include <vector>

namespace pgaf::fsm {
namespace {

/// Keepers come back after at most a second and a bit.
constexpr std::int64_t reconnect_ms = 1500;
/// For this long after a reset the looks follow each other this closely.
constexpr std::int64_t just_reset_ms = 1000;
constexpr std::int64_t close_looks_ms = 50;

std::int64_t timeout(const World& world) {
    return static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
}
std::int64_t heartbeat(const World& world) {
    return static_cast<std::int64_t>(world.record.settings.heartbeat_ms);
}

/// From this silence on the standbys are asked, so that their answers are there when node_timeout is over.
std::int64_t probe_after(const World& world) {
    return timeout(world) * 7 / 10;
}
std::int64_t probe_limit(const World& world) {
    return std::max<std::int64_t>(timeout(world) / 5, 50);
}

bool primary_heard(const World& world) {
    const NodeView* v = world.view(world.record.primary);
    return v && v->heard;
}

/// The session ended, or the keeper lives and has lost sight of its PostgreSQL: its launcher is gone.
bool out_of_sight(const World& world) {
    const NodeView* v = world.view(world.record.primary);
    if (!v) return false;
    if (!v->connected) return v->closed.has_value();
    return v->report && v->report->status == PgStatus::unknown;
}

std::int64_t patience(const World& world) {
    return !primary_heard(world) && booting(world) ? static_cast<std::int64_t>(world.record.settings.boot_wait_ms)
                                                   : timeout(world);
}

/// How soon a standby looks again. A node that is being killed is seen half dead at first: right after the reset of its
/// session the looks follow each other closely, for a moment; each waits for the answer to the one before.
std::int64_t look_again_after(const World& world, const NodeView& witness) {
    const NodeView* primary = world.view(world.record.primary);
    const bool just_reset = out_of_sight(world) && primary->closed && (world.now - *primary->closed).v < just_reset_ms;
    return just_reset && witness.probe_answered >= witness.probe_asked ? std::min(heartbeat(world), close_looks_ms)
                                                                       : heartbeat(world);
}

/// Standbys that can say something about the primary.
std::vector<NodeName> witnesses(const World& world) {
    std::vector<NodeName> names;
    for (const auto& [name, n] : world.record.nodes)
        if (name != world.record.primary && world.in_reach(name)) names.push_back(name);
    return names;
}

struct Testimony {
    int refused = 0;
    int gone = 0;  ///< silent port, no message on the replication connection
    int alive = 0;
    std::string text;
};

/// What the standbys found, as far as they looked after the primary was last heard.
Testimony testimony(const World& world) {
    Testimony t;
    const NodeView* primary = world.view(world.record.primary);
    const Millis heard = primary && primary->heard ? *primary->heard : world.memory.started;
    for (const NodeName& name : witnesses(world)) {
        const NodeView* v = world.view(name);
        if (!v->probe || v->probe_answered < heard || v->probe->target != world.record.primary) continue;
        const std::int64_t age = v->probe->receiver.last_message_age.v + (world.now - v->probe_answered).v;
        // Keepalives come at half of wal_sender_timeout, which is near node_timeout.
        const bool streams = v->probe->receiver.streaming && v->probe->receiver.upstream == world.record.primary &&
                             age < timeout(world) * 6 / 10;
        t.text +=
            (t.text.empty() ? "" : "; ") + name.v + ": port " + std::string(word(v->probe->port)) + ", receiver " +
            (v->probe->receiver.streaming ? "last heard it " + seconds(Millis{age}) + " ago" : std::string("ended"));
        if (v->probe->port == PortState::refused)
            ++t.refused;
        else if (v->probe->port == PortState::answers || streams)
            ++t.alive;
        else
            ++t.gone;
    }
    return t;
}

}  // namespace

bool booting(const World& world) {
    return !world.memory.found_running;
}

bool reconnecting(const World& world) {
    if ((world.now - world.memory.started).v >= reconnect_ms) return false;
    return std::any_of(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
        const NodeView* v = world.view(entry.first);
        return !entry.second.maintenance && !(v && v->report);
    });
}

Verdict primary_verdict(const World& world) {
    if (world.record.primary.empty()) return {};
    const std::int64_t silent = world.silence(world.record.primary).v;
    const bool reset = out_of_sight(world);
    if (!reset && silent < patience(world)) return {};
    const Testimony t = testimony(world);
    Verdict verdict;
    verdict.evidence = std::string(!reset                             ? "no heartbeat"
                                   : world.live(world.record.primary) ? "its keeper does not see PostgreSQL"
                                                                      : "its keeper's session was reset") +
                       ", silent for " + seconds(Millis{silent}) + "; " +
                       (t.text.empty() ? "no standby in reach has looked" : t.text);
    if (t.alive > 0) return verdict;
    verdict.lost = (reset && t.refused > 0) || (silent >= patience(world) && t.refused + t.gone > 0);
    return verdict;
}

void look_at_primary(World& world) {
    const NodeRecord* p = world.primary();
    if (!p) return;
    const std::int64_t silent = world.silence(p->name).v;
    const bool reset = out_of_sight(world);
    const NodeView* pv = world.view(p->name);
    const Millis heard = pv && pv->heard ? *pv->heard : world.memory.started;
    if (!reset && silent < probe_after(world)) return world.wake_at(heard + Millis{probe_after(world)});
    if (silent < patience(world)) world.wake_at(heard + Millis{patience(world)});
    for (const NodeName& name : witnesses(world)) {
        NodeView& v = world.memory.views[name];
        // One look each heartbeat; the first one at once, also when the session ended after an earlier look.
        const bool looked = v.probe_asked >= heard && v.probe_asked.v != 0;
        const Millis next = v.probe_asked + Millis{look_again_after(world, v)};
        if (looked && world.now < next) {
            world.wake_at(next);
            continue;
        }
        v.probe_asked = world.now;
        const std::uint64_t id = ++world.memory.last_probe;
        if (!looked) {
            // What was seen before the primary was last heard counts no longer, nor does an answer that comes late.
            v.probe.reset();
            v.first_probe = id;
        }
        world.out.probes.push_back({name, id, p->name, p->host, p->port, Millis{probe_limit(world)}});
    }
    world.wake_at(world.now + Millis{heartbeat(world)});
}

}  // namespace pgaf::fsm
