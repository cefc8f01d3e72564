#include "tests/sim/exhaustive/actions.h"

#include "common/mutation.h"

namespace pgaf::exhaustive {
namespace {

/// Stands for the monitor in links.
constexpr NodeIx monitor_place = nobody;

bool deliver_goal(Scene& s, NodeIx n, bool keep) {
    std::uint32_t& goal = s.world.down[n];
    if (goal == 0 || !s.monitor_linked(n) || !s.node(n).keeper.alive) return false;
    if (keep && (s.world.echo[n] != 0 || !s.spend(Luck::stale))) return false;
    if (keep) s.world.echo[n] = goal;
    const std::uint32_t number = std::exchange(goal, 0);
    take_goal(s, n, s.search.pools.goals[number]);
    return true;
}

bool deliver_late_goal(Scene& s, NodeIx n) {
    if (s.world.echo[n] == 0 || !s.monitor_linked(n) || !s.node(n).keeper.alive) return false;
    take_goal(s, n, s.search.pools.goals[std::exchange(s.world.echo[n], 0)]);
    return true;
}

bool checkpointer_sees(Scene& s, NodeIx n) {
    const Server& server = s.node(n).server;
    if (server.life != Life::running || server.waits || server.in_recovery) return false;
    if (server.names.size() == 1 && !server.names[0].closed && server.names[0].rule.k == 0) return false;
    s.edit(n).server.waits = true;
    return true;
}

bool cut_or_heal(Scene& s, const Action& action, bool cut) {
    const std::uint8_t bit =
        action.b == monitor_place ? static_cast<std::uint8_t>(1U << action.a) : Scene::link_bit(action.a, action.b);
    if (((s.world.cut & bit) != 0) == cut) return false;
    if (cut && !s.spend(Luck::cuts)) return false;
    s.world.cut ^= bit;
    return true;
}

/// Its cable is pulled: no link of its own works. Each heals by itself.
bool isolate(Scene& s, NodeIx n) {
    std::uint8_t bits = static_cast<std::uint8_t>(1U << n);
    for (NodeIx peer = 0; peer < s.nodes(); ++peer)
        if (peer != n) bits |= Scene::link_bit(n, peer);
    if ((s.world.cut & bits) != 0 || !s.spend(Luck::isolations)) return false;
    s.world.cut |= bits;
    return true;
}

bool crash(Scene& s, NodeIx n, bool backend) {
    const Server& server = s.node(n).server;
    if (server.life != Life::running || (backend && server.in_recovery) || !s.spend(Luck::crashes)) return false;
    if (!backend && s.search.spec.orphans && !server.in_recovery)
        orphan_server(s, n);
    else
        end_server(s, n, backend);
    return true;
}

bool reap(Scene& s, NodeIx n) {
    if (s.node(n).server.life != Life::orphans) return false;
    end_server(s, n, false);
    return true;
}

bool power_off(Scene& s, NodeIx n) {
    if (!s.node(n).power || !s.spend(Luck::outages)) return false;
    // Nobody is told: connections are found dead as time passes.
    const bool streaming = s.node(n).server.streaming;
    if (streaming) end_receiver(s, n);
    Node& node = s.edit(n);
    const std::uint8_t closing = s.world.closing;
    kill_keeper(s, n);
    s.world.closing = closing;
    node.power = false;
    node.server.life = Life::down;
    node.exits = 0;
    return true;
}

bool power_on(Scene& s, NodeIx n) {
    if (s.node(n).power) return false;
    // Its machine answers that it knows none of the old connections.
    end_receiver(s, n);
    for (NodeIx peer = 0; peer < s.nodes(); ++peer)
        if (s.node(peer).server.streaming && s.node(peer).server.upstream == n) end_receiver(s, peer);
    Node& node = s.edit(n);
    node.power = true;
    node.server = {};
    node.exits = 0;
    start_keeper(s, n);
    return true;
}

bool wipe(Scene& s, NodeIx n) {
    const Node& node = s.node(n);
    if (node.server.life != Life::down || !node.disk.has_data || !s.spend(Luck::wipes)) return false;
    Disk& disk = s.edit(n).disk;
    const keeper::Promise promise = disk.promise;
    disk = {};
    disk.promise = promise;
    return true;
}

bool put_back(Scene& s, NodeIx n) {
    const Node& node = s.node(n);
    // A put-back primary must be reset by its owner, says R9.
    if (node.power || s.monitor().record.primary == name_of(n) || !s.spend(Luck::put_backs)) return false;
    s.edit(n).disk = s.search.pools.nodes[s.search.first.node[n]].disk;
    return true;
}

bool restore_store(Scene& s) {
    if (s.monitor().alive || !s.spend(Luck::store_restores)) return false;
    Monitor m = s.monitor();
    const Term term = m.record.term;
    m.record = s.search.pools.monitors[s.search.first.monitor].record;
    m.record.term = term;
    s.world.monitor = s.search.pools.monitors.put(std::move(m));
    return true;
}

bool switchover(Scene& s) {
    if (!s.monitor().alive || s.monitor().record.operation || !s.spend(Luck::switchovers)) return false;
    fsm::Command command;
    command.id = 1;
    command.kind = "switchover";
    heart_step(s, command);
    return true;
}

bool ask_for_two(Scene& s) {
    if (!s.monitor().alive || s.monitor().record.settings.number_sync_standbys || !s.spend(Luck::settings))
        return false;
    fsm::Command command;
    command.id = 2;
    command.kind = "set-cluster";
    command.setting = "number-sync-standbys";
    command.value = "2";
    heart_step(s, command);
    return true;
}

bool impostor(Scene& s, NodeIx n, NodeIx of) {
    // A slot serves one connection; only without that rule a second one gets in.
    if (!broken(Mutation::r14)) return false;
    const Server& server = s.node(n).server;
    if (n == of || server.life != Life::running || server.in_recovery || server.impostor_of != nobody) return false;
    if (!server.senders[of].connected || !s.spend(Luck::impostors)) return false;
    s.edit(n).server.impostor_of = of;
    release(s, n);
    return true;
}

bool restart_keeper(Scene& s, NodeIx n) {
    if (!s.node(n).keeper.alive || !s.spend(Luck::keeper_restarts)) return false;
    kill_keeper(s, n);
    start_keeper(s, n);
    return true;
}

bool misfortune(Scene& s, const Action& action) {
    switch (action.kind) {
        case Kind::cut:
            return cut_or_heal(s, action, true);
        case Kind::isolate:
            return isolate(s, action.a);
        case Kind::crash_postmaster:
            return crash(s, action.a, false);
        case Kind::crash_backend:
            return crash(s, action.a, true);
        case Kind::power_off:
            return power_off(s, action.a);
        case Kind::restart_keeper:
            return restart_keeper(s, action.a);
        case Kind::kill_monitor:
            return kill_monitor(s);
        case Kind::wipe:
            return wipe(s, action.a);
        case Kind::put_back:
            return put_back(s, action.a);
        case Kind::restore_store:
            return restore_store(s);
        case Kind::switchover:
            return switchover(s);
        case Kind::ask_for_two:
            return ask_for_two(s);
        default:
            return impostor(s, action.a, action.b);
    }
}

}  // namespace

bool apply(Scene& s, const Action& action) {
    const NodeIx n = action.a;
    switch (action.kind) {
        case Kind::connect:
            return open_session(s, n);
        case Kind::report:
            return report(s, n);
        case Kind::send_report:
            return send_report(s, n);
        case Kind::deliver_report:
            return deliver_report(s, n);
        case Kind::notice_close:
            return close_session(s, n);
        case Kind::deliver_goal:
            return deliver_goal(s, n, false);
        case Kind::deliver_goal_and_keep:
            return deliver_goal(s, n, true);
        case Kind::deliver_late_goal:
            return deliver_late_goal(s, n);
        case Kind::act:
            return s.node(n).keeper.alive && act(s, n);
        case Kind::finish_step:
            return s.node(n).keeper.alive && finish_step(s, n);
        case Kind::connect_receiver:
            return connect_receiver(s, n);
        case Kind::flush:
            return flush_entry(s, n);
        case Kind::checkpointer:
            return checkpointer_sees(s, n);
        case Kind::reap:
            return reap(s, n);
        case Kind::commit:
            return write_commit(s, n, false);
        case Kind::long_commit:
            return write_commit(s, n, true);
        case Kind::pass_time:
            return pass_time(s);
        case Kind::start_monitor:
            return start_monitor(s);
        case Kind::power_on:
            return power_on(s, n);
        case Kind::heal:
            return cut_or_heal(s, action, false);
        default:
            return misfortune(s, action);
    }
}

namespace {

bool is_of_cluster(Kind kind) {
    return kind == Kind::pass_time || kind == Kind::start_monitor || kind == Kind::kill_monitor ||
           kind == Kind::restore_store || kind == Kind::switchover || kind == Kind::ask_for_two;
}

}  // namespace

std::vector<Action> all_actions(std::size_t nodes) {
    std::vector<Action> all;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<Kind>>([&](auto d) {
        const Kind kind = d.value;
        const bool of_cluster = is_of_cluster(kind);
        const bool of_pair = kind == Kind::heal || kind == Kind::cut;
        if (of_cluster) return all.push_back({kind, 0, 0});
        for (NodeIx a = 0; a < nodes; ++a) {
            if (of_pair) all.push_back({kind, a, monitor_place});
            if (!of_pair && kind != Kind::impostor) all.push_back({kind, a, 0});
            for (NodeIx b = 0; b < nodes; ++b)
                if ((of_pair && b > a) || (kind == Kind::impostor && b != a)) all.push_back({kind, a, b});
        }
    });
    return all;
}

std::string text_of(const Action& action) {
    const std::string what(word(action.kind));
    if (action.kind == Kind::cut || action.kind == Kind::heal)
        return what + " " + name_of(action.a).v + " - " +
               (action.b == monitor_place ? std::string("monitor") : name_of(action.b).v);
    return is_of_cluster(action.kind) ? what : what + " " + name_of(action.a).v;
}

}  // namespace pgaf::exhaustive
