#include "tests/unit/keeper/views.h"

#include <utility>

namespace pgaf::keeper::test {

LoopView node(Role role, bool in_recovery) {
    LoopView v;
    v.promise.cluster = ClusterName{"default"};
    v.promise.node = NodeName{"node1"};
    v.promise.incarnation = IncarnationId{"1111111111111111"};
    Goal goal;
    goal.role = role;
    goal.assigned = in_recovery ? NodeState::secondary : NodeState::primary;
    goal.peers = {{v.promise.node, v.promise.incarnation, "10.0.0.1", 5432},
                  {NodeName{"node2"}, IncarnationId{"2222222222222222"}, "10.0.0.2", 5433}};
    goal.digest.primary = NodeName{"node2"};
    goal.history = {{Timeline{1}, Epoch{1}, std::nullopt, {}}, {Timeline{2}, Epoch{4}, Lsn{0x3000}, {}}};
    goal.settings.push_back({"node-timeout-ms", "2500"});
    v.promise.goal = goal;
    v.promise.promised.epoch = Epoch{4};
    v.run.monitor_in_reach = true;
    v.run.rule_applied = RuleId{3};
    v.facts.status = PgStatus::running;
    v.facts.in_recovery = in_recovery;
    v.facts.open_to_clients = true;
    v.facts.end = Lsn{0x5000};
    v.facts.replayed = Lsn{0x4000};
    v.facts.timeline = Timeline{2};
    v.facts.pg_version = 150005;
    if (in_recovery) {
        v.facts.following = NodeName{"node2"};
        v.facts.receiver = {true, v.facts.following, Millis{3}};
        v.upstream_end = Lsn{0x6000};
    }
    return v;
}

ClusterView cluster(bool in_rule) {
    ClusterView view;
    view.epoch = Epoch{4};
    const auto member = [&](const char* name, const char* incarnation, std::uint16_t port) -> ClusterMember& {
        ClusterMember m;
        m.node = NodeName{name};
        m.incarnation = IncarnationId{incarnation};
        m.host = "10.0.0.1";
        m.port = port;
        m.state = NodeState::secondary;
        m.status = PgStatus::running;
        m.connected = true;
        m.timeline = Timeline{2};
        m.lsn = Lsn{0x6000};
        return view.members.emplace_back(std::move(m));
    };
    ClusterMember& self = member("node1", "1111111111111111", 5432);
    self.in_sync_rule = in_rule;
    self.streaming = true;
    self.lag_bytes = 0x1000;
    ClusterMember& primary = member("node2", "2222222222222222", 5433);
    primary.primary = true;
    primary.state = NodeState::primary;
    ClusterMember& lost = member("node3", "3333333333333333", 5434);
    lost.connected = false;
    lost.status = PgStatus::unknown;
    lost.timeline = {};
    view.history = {
        {Epoch{1}, Timeline{1}, {}, {}, 1700000000000, NodeName{"node1"}, "node1 becomes the first primary"},
        {Epoch{4}, Timeline{2}, Timeline{1}, Lsn{0x3000}, 1700000100250, NodeName{"node2"},
         "failover from node1: PostgreSQL exited"}};
    view.settings = {{"heartbeat-ms", "500"},
                     {"node-timeout-ms", "2500"},
                     {"number-sync-standbys", "auto"},
                     {"asynchronous", "false"},
                     {"maximum-lag-on-failover", "1048576"}};
    return view;
}

LoopView told(LoopView view, const ClusterView& cluster) {
    view.cluster = cluster;
    view.cluster_age = Millis{40};
    return view;
}

http::Response ask(const LoopView& view, const std::string& path, std::map<std::string, std::string> query,
                   const Tags& tags) {
    return answer(view, {"GET", path, std::move(query)}, {tags, [](const LoopView&) { return "metrics\n"; }});
}

unsigned code(const LoopView& view, const std::string& path, std::map<std::string, std::string> query,
              const Tags& tags) {
    return ask(view, path, std::move(query), tags).status;
}

}  // namespace pgaf::keeper::test
