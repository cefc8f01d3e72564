#include "monitor/http/gauges.h"

namespace pgaf::monitor {
namespace {

using metrics::Families;
using metrics::Family;
using metrics::Labels;
using metrics::seconds;

double one_if(bool holds) {
    return holds ? 1 : 0;
}

struct NodeGauges {
    Family up{"pgaf_node_up", "1 when the node's keeper is connected and its PostgreSQL runs and answers"};
    Family state{"pgaf_node_state", "1 for the state that the node is in, 0 for the others"};
    Family role{"pgaf_node_role", "1 for the role that the node has, 0 for the other"};
    Family timeline{"pgaf_node_timeline", "Timeline that the node's PostgreSQL is on"};
    Family position{"pgaf_node_wal_position_bytes", "Flushed end of the node's WAL, as a byte position"};
    Family lag_bytes{"pgaf_replication_lag_bytes", "WAL that the standby has not flushed yet"};
    Family lag_seconds{"pgaf_replication_lag_seconds", "Replay lag of the standby as its primary measures it"};
    Family problem{"pgaf_node_problem", "1 when something is wrong with the node: `pgafctl show state` says what"};
    Family seen{"pgaf_node_last_seen_seconds", "Age of the last message of the node's keeper"};
    Family priority{"pgaf_node_candidate_priority", "Which of several nodes that could be promoted is: the highest"};
    Family in_rule{"pgaf_node_in_sync_rule", "1 when the node is a standby that the newest sync rule names"};

    void add(const fsm::Heart& heart, const ClusterName& cluster, const fsm::NodeSummary& node);
    void give_to(Families& all) {
        for (Family* family :
             {&up, &state, &role, &timeline, &position, &lag_bytes, &lag_seconds, &problem, &seen, &priority, &in_rule})
            family->give_to(all);
    }
};

void NodeGauges::add(const fsm::Heart& heart, const ClusterName& cluster, const fsm::NodeSummary& node) {
    const Labels labels{{"cluster", cluster.v}, {"node", node.name.v}};
    const auto view = heart.views().find(node.name);
    const bool runs = view != heart.views().end() && view->second.connected && view->second.report &&
                      view->second.report->status == PgStatus::running;
    up.add(labels, one_if(runs));
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<NodeState>>([&](auto d) {
        state.add(metrics::with(labels, {{"state", d.name}}), one_if(d.value == node.state));
    });
    role.add(metrics::with(labels, {{"role", "primary"}}), one_if(node.primary));
    role.add(metrics::with(labels, {{"role", "standby"}}), one_if(!node.primary));
    timeline.add(labels, node.timeline.v);
    position.add(labels, static_cast<double>(node.lsn.v));
    if (node.lag_bytes) lag_bytes.add(labels, static_cast<double>(*node.lag_bytes));
    if (node.lag) lag_seconds.add(labels, seconds(*node.lag));
    problem.add(labels, one_if(!node.problem.empty()));
    if (node.seen.v >= 0) seen.add(labels, seconds(node.seen));
    priority.add(labels, node.candidate_priority);
    in_rule.add(labels, one_if(node.in_sync_rule));
}

struct ClusterGauges {
    Family epoch{"pgaf_cluster_epoch", "The cluster's epoch: one more for each election or switchover"};
    Family has_primary{"pgaf_cluster_has_primary", "1 when a primary takes writes"};
    Family healthy{"pgaf_cluster_healthy", "1 when all is as it should be: what `pgafctl show state` calls healthy"};
    Family waiting{"pgaf_cluster_waiting",
                   "1 when the cluster waits for something: `pgafctl show state` says for what"};
    Family ready{"pgaf_cluster_failover_ready",
                 "1 when the primary could be lost now and the cluster would go on by itself"};
    Family off{"pgaf_cluster_failover_off",
               "1 when as many failovers as failover-limit allows were made, so that none is made by itself"};
    Family doubt{"pgaf_cluster_record_in_doubt",
                 "1 when the monitor's record may not be the newest, so that it decides nothing before all were heard"};
    Family sync{"pgaf_cluster_sync_standbys", "Standbys in the newest sync rule"};
    Family nodes{"pgaf_cluster_nodes", "Nodes that the cluster has, whatever their state"};

    void add(const fsm::Heart& heart, const fsm::Summary& summary) {
        const Labels labels{{"cluster", summary.cluster.v}};
        epoch.add(labels, static_cast<double>(summary.epoch.v));
        has_primary.add(labels, one_if(summary.has_writable_primary));
        healthy.add(labels, one_if(summary.healthy));
        waiting.add(labels, one_if(!summary.waiting.empty()));
        ready.add(labels, one_if(summary.failover_ready));
        off.add(labels, one_if(summary.failover_off));
        doubt.add(labels, one_if(!heart.record().doubt.empty()));
        int members = 0;
        for (const auto& node : summary.nodes) members += node.in_sync_rule ? 1 : 0;
        sync.add(labels, members);
        nodes.add(labels, static_cast<double>(summary.nodes.size()));
    }
    void give_to(Families& all) {
        for (Family* family : {&epoch, &has_primary, &healthy, &waiting, &ready, &off, &doubt, &sync, &nodes})
            family->give_to(all);
    }
};

}  // namespace

void add_gauges(Families& all, const Coordinator& coordinator) {
    NodeGauges nodes;
    ClusterGauges clusters;
    for (const ClusterName& name : coordinator.names()) {
        const fsm::Heart& heart = *coordinator.find(name);
        const fsm::Summary summary = coordinator.summary(heart);
        clusters.add(heart, summary);
        for (const auto& node : summary.nodes) nodes.add(heart, name, node);
    }
    nodes.give_to(all);
    clusters.give_to(all);
}

}  // namespace pgaf::monitor
