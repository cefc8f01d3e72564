#include "tests/sim/steps.h"

#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/disk.h"
#include "tests/sim/launcher.h"
#include "tests/sim/loop.h"
#include "tests/sim/replication.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

constexpr Micros start_limit = 10 * sec;
constexpr Micros reload_limit = 3 * sec;
constexpr Micros walsender_grace = sec;

constexpr const char* not_running = "PostgreSQL does not run";
constexpr const char* not_stopped = "PostgreSQL still runs";
constexpr const char* not_in_force = "after a reload PostgreSQL still does not use the cluster's settings";

/// Empty history files of ids above the folder's own timeline go before each start.
void remove_placeholders(const Phase& p) {
    Disk& d = p.disk();
    const std::uint32_t own = timeline_at(*p.w.archive, d.wal, complete_end(*p.w.archive, d.wal));
    for (const std::uint32_t t : d.placeholders)
        if (t > own) std::erase(d.histories, t);
    std::erase_if(d.placeholders, [&](std::uint32_t t) { return t > own; });
}

/// keeper/postgres/lifecycle: prepare(), then the launcher executes the postmaster.
Next start(const Phase& p, const keeper::Layout& layout, const Conn& conn, bool standby,
           const std::vector<Timeline>& strays) {
    if (!p.stopped()) return failed(not_stopped);
    const Disk& before = p.machine().disk;
    if (before.rebuilding || !before.has_data) return failed("the data folder is half-made, or there is none");
    if (id_of(before.id) != layout.incarnation) return failed("the data folder was exchanged under the keeper");
    Disk& d = p.disk();
    d.conf.names = broken(Mutation::r6_closed) ? Names{} : closed_names();
    d.conf.conn = conn;
    d.conf.open_to_clients = standby;
    d.standby_signal = standby;
    p.give_access(layout);
    remove_placeholders(p);
    for (const Timeline t : strays) std::erase(d.histories, t.v);
    if (launcher_gets_to_it_later(p.w, p.node, Ask::start)) {
        p.w.keepers[p.node].edit().start_asked = true;
        return p.enter(1, 20 * ms, 100 * ms);
    }
    if (!start_server(p.w, p.node)) return failed("starting PostgreSQL: something of its last run still lives");
    return p.enter(1, 5 * ms, 20 * ms);
}

Next wait_for_start(const Phase& p, const keeper::Layout& layout) {
    if (p.w.keepers[p.node]->start_asked) {
        if (p.machine().launcher.frozen) return again(20 * ms, 100 * ms);
        p.w.keepers[p.node].edit().start_asked = false;
        return p.enter(1, 5 * ms, 20 * ms);
    }
    if (!postmaster_lives(p.w, p.node) || !p.server().postmaster) return failed("PostgreSQL did not start");
    const bool ready = p.server().takes_connections();
    if (!ready && !p.longer_than(start_limit)) return again(5 * ms, 50 * ms);
    p.memory().closed_all_along = true;
    p.memory().put = p.machine().disk.conf.names;
    if (ready) p.align_slots(layout);
    return done();
}

std::string not_upstream(const Phase& p, const keeper::Layout& layout, const NodeName& upstream) {
    if (upstream.empty() || find_peer(layout.peers, upstream) != nullptr) return {};
    return "the upstream " + upstream.v + " is no peer of " + name_of(p.node).v;
}

Conn conn_to(const keeper::Layout& layout, const NodeName& upstream) {
    if (upstream.empty()) return {};
    return {node_of(upstream), inc_of(layout.incarnation)};
}

}  // namespace

// ---- what phases share ----------------------------------------------------------------------------------------------

RunMemory& Phase::memory() const {
    Keeper& k = w.keepers[node].edit();
    const std::uint32_t run = machine().server ? machine().server->run : 0;
    if (k.memory.server != run) {
        k.memory = {};
        k.memory.server = run;
    }
    return k.memory;
}

Next Phase::enter(int phase, Micros low, Micros high) const {
    StepRun& r = run();
    r.phase = phase;
    r.phase_since = w.now;
    return again(low, high);
}

bool Phase::running() const {
    return machine().launcher.alive && machine().server && machine().server->postmaster;
}
bool Phase::stopped() const {
    return machine().launcher.alive && !postmaster_lives(w, node);
}

bool Phase::in_force() const {
    const Conf& loaded = server().loaded;
    const Conf& wanted = machine().disk.conf;
    return server().takes_connections() && loaded.names == wanted.names && loaded.conn == wanted.conn;
}

void Phase::put(const Names& names, const Conn& conn) const {
    Disk& d = disk();
    d.conf.names = names;
    d.conf.conn = conn;
    memory().put = names;
    reload_server(w, node);
}

void Phase::give_access(const keeper::Layout& layout) const {
    std::uint32_t access = 0;
    for (const Peer& peer : layout.peers)
        if (node_of(peer.node) != node) access |= 1U << node_of(peer.node);
    disk().conf.access = access;
}

void Phase::align_slots(const keeper::Layout& layout) const {
    std::uint32_t slots = 0;
    for (const Peer& peer : layout.peers)
        if (node_of(peer.node) != node) slots |= 1U << node_of(peer.node);
    if (machine().server)
        for (const Walsender& s : machine().server->senders)
            if (s.peer != nobody) slots |= machine().disk.slots & (1U << s.peer);
    disk().slots = slots;
}

bool Phase::flushed_by_rule(const SyncRule& rule, std::uint64_t target) const {
    std::uint32_t count = 0;
    for (const IncarnationId& member : rule.members) {
        const Inc name = inc_of(member);
        const auto& senders = server().senders;
        if (std::any_of(senders.begin(), senders.end(),
                        [&](const Walsender& s) { return s.name == name && !s.impostor && s.flushed >= target; }))
            ++count;
    }
    return count >= rule.k;
}

void on_step(World& w, NodeIx node, std::uint32_t boot) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot || !k.under_way || k.step_done) return;
    if (k.cancelling && !k.start_asked) return step_ended(w, node, "given up");
    const keeper::Step step = k.under_way->step;
    if (k.under_way->phase == 0) {
        const StepWrite write = write_of_step(w, {Ev::step, node, boot}, step);
        if (write == StepWrite::hangs) return;
        if (write == StepWrite::fails) return step_ended(w, node, "writing its files: No space left on device");
    }
    const Phase phase{w, node};
    const Next next = std::visit([&](const auto& s) { return advance(phase, s); }, step);
    if (next.kind == Next::Kind::failed) return step_ended(w, node, next.why);
    if (next.kind == Next::Kind::again) return w.after(next.low, next.high, {Ev::step, node, boot});
    w.say(node, [&] { return keeper::step_name(step) + " is done"; });
    // Most steps change nothing in the promise, and wait for no other change of it.
    if (keeper::after_step(k.promise, step) == k.promise) return step_ended(w, node, {});
    w.keepers[node].edit().step_done = step;
    ask_for_change(w, node, Change::step);
}

// ---- starts, stops, upstreams ---------------------------------------------------------------------------------------

Next advance(const Phase& p, const keeper::StartPrimary& step) {
    if (p.run().phase == 0) return start(p, step.layout, {}, false, {});
    return wait_for_start(p, step.layout);
}

Next advance(const Phase& p, const keeper::StartStandby& step) {
    if (const std::string why = not_upstream(p, step.layout, step.upstream); !why.empty()) return failed(why);
    if (p.run().phase == 0) return start(p, step.layout, conn_to(step.layout, step.upstream), true, step.strays);
    return wait_for_start(p, step.layout);
}

Next advance(const Phase& p, const keeper::Follow& step) {
    if (!p.running()) return failed(not_running);
    if (p.run().phase == 0) {
        if (const std::string why = not_upstream(p, step.layout, step.upstream); !why.empty()) return failed(why);
        p.memory().fenced = false;
        p.give_access(step.layout);
        p.disk().conf.open_to_clients = true;
        p.put(p.machine().disk.conf.names.kind == Names::Kind::none ? Names{} : closed_names(),
              conn_to(step.layout, step.upstream));
        return p.enter(1, 2 * ms, 6 * ms);
    }
    if (p.in_force()) return done();
    return p.longer_than(reload_limit) ? failed(not_in_force) : again(2 * ms, 50 * ms);
}

Next advance(const Phase& p, const keeper::Stop& step) {
    if (!p.machine().launcher.alive) return failed("no connection to pgaf-launcher");
    if (!postmaster_lives(p.w, p.node)) return done();
    if (p.run().phase == 0) {
        const bool fast = step.mode == StopMode::fast;
        if (launcher_gets_to_it_later(p.w, p.node, fast ? Ask::stop_fast : Ask::stop_immediately))
            return p.enter(1, 5 * ms, 20 * ms);
        if (fast)
            stop_fast(p.w, p.node);
        else
            stop_immediately(p.w, p.node);
        return p.enter(1, 5 * ms, 20 * ms);
    }
    // Only walsenders are waited for: after a moment they are ended.
    if (p.run().phase == 1 && step.mode == StopMode::fast && p.server().shutdown_checkpoint)
        return p.enter(2, ms, 20 * ms);
    if (p.run().phase == 2 && p.longer_than(walsender_grace)) {
        on_walsenders_ended(p.w, p.node, p.server().run);
        return p.enter(3, 5 * ms, 20 * ms);
    }
    return again(5 * ms, 20 * ms);
}

// ---- fence and promotion --------------------------------------------------------------------------------------------

Next advance(const Phase& p, const keeper::Fence& step) {
    if (!p.running()) return failed(not_running);
    switch (p.run().phase) {
        case 0:
            p.memory().fenced = false;
            p.give_access(step.layout);
            p.put(p.machine().disk.conf.names.kind == Names::Kind::none ? Names{} : closed_names(), {});
            return p.enter(1, 2 * ms, 6 * ms);
        case 1:
            if (p.in_force()) return p.enter(2, ms, 3 * ms);
            return p.longer_than(reload_limit) ? failed(not_in_force) : again(2 * ms, 50 * ms);
        case 2:
            if (!p.server().takes_connections()) return failed("PostgreSQL gives no answer");
            if (!p.server().in_recovery()) return failed("the server runs read-write: there is no receiver to fence");
            if (p.machine().launcher.frozen) return again(20 * ms, 100 * ms);
            end_receiver(p.w, p.node);
            return p.enter(3, ms, 10 * ms);
        default: {
            if (!p.server().takes_connections()) return failed("PostgreSQL gives no answer");
            if (p.server().receiver) return p.enter(2, ms, 3 * ms);
            const Disk& d = p.machine().disk;
            RunMemory& memory = p.memory();
            memory.fenced = true;
            memory.fenced_complete = complete_end(*p.w.archive, d.wal);
            memory.fenced_end = std::max({p.server().received, p.server().replayed, memory.fenced_complete});
            // A torn record that an earlier run of the server has received is seen where it reaches into a later
            // segment.
            if (segment_start(d.wal.end()) > segment_start(memory.fenced_complete))
                memory.fenced_end = std::max(memory.fenced_end, d.wal.end());
            memory.fenced_timeline = timeline_at(*p.w.archive, d.wal, memory.fenced_complete);
            return done();
        }
    }
}

namespace {

/// Placeholders, so that PostgreSQL takes the id that was assigned.
std::string reserve_timelines(const Phase& p, std::uint32_t own, std::uint32_t assigned) {
    Disk& d = p.disk();
    if (assigned <= own) return "it is on timeline " + std::to_string(own) + " already";
    if (std::binary_search(d.histories.begin(), d.histories.end(), assigned))
        return "a history file of timeline " + std::to_string(assigned) +
               " exists: somebody else has promoted a server to it";
    for (std::uint32_t t = own + 1; t < assigned; ++t) {
        const auto place = std::lower_bound(d.histories.begin(), d.histories.end(), t);
        if (place != d.histories.end() && *place == t) continue;
        d.histories.insert(place, t);
        d.placeholders.push_back(t);
    }
    return {};
}

}  // namespace

Next advance(const Phase& p, const keeper::Promote& step) {
    if (!p.running()) return failed("PostgreSQL exited while it was promoted");
    switch (p.run().phase) {
        case 0:
            p.put(names_of(step.rule.rule, false), {});
            return p.enter(1, 2 * ms, 6 * ms);
        case 1: {
            if (!p.in_force()) return p.longer_than(reload_limit) ? failed(not_in_force) : again(2 * ms, 50 * ms);
            if (!p.server().in_recovery()) return failed("this server is no standby, so it can't be promoted");
            if (p.server().receiver) return failed("the standby still has a WAL receiver: it has to be fenced first");
            const Disk& d = p.machine().disk;
            const std::uint32_t own = timeline_at(*p.w.archive, d.wal, complete_end(*p.w.archive, d.wal));
            if (!broken(Mutation::r5_timeline))
                if (const std::string why = reserve_timelines(p, own, step.timeline.v); !why.empty())
                    return failed(why);
            p.memory().closed_all_along = p.memory().fenced = false;
            promote_server(p.w, p.node);
            return p.enter(2, 5 * ms, 20 * ms);
        }
        default:
            if (p.server().phase != Server::Phase::primary) return again(5 * ms, 20 * ms);
            if (timeline_of(p.w, p.node) == step.timeline.v || broken(Mutation::r5_timeline)) return done();
            return failed("PostgreSQL took timeline " + std::to_string(timeline_of(p.w, p.node)));
    }
}

}  // namespace pgaf::sim
