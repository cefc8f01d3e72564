#include "monitor/service/messages.h"

#include "common/wire/convert.h"
#include "monitor/fsm/settings.h"

namespace pgaf::monitor {
namespace {

/// The database that `pgafctl show uri` points to: the one that every PostgreSQL cluster has.
constexpr auto default_database = "postgres";

std::string text(const std::string& from) {
    return wire::wire_text(from);
}

void fill(v1::NodeStatus& to, const fsm::NodeSummary& from) {
    to.set_name(from.name.v);
    to.set_host(from.host);
    to.set_port(from.port);
    to.set_incarnation(from.incarnation.v);
    to.set_state(std::string(word(from.state)));
    to.set_assigned(std::string(word(from.assigned)));
    to.set_lsn(from.lsn.v);
    to.set_timeline(from.timeline.v);
    if (from.lag_bytes) to.set_lag_bytes(*from.lag_bytes);
    if (from.lag) to.set_lag_ms(from.lag->v);
    to.set_candidate_priority(from.candidate_priority);
    to.set_replication_quorum(from.replication_quorum);
    to.set_seen_ms(from.seen.v);
    to.set_connected(from.connected);
    to.set_healthy(from.healthy);
    to.set_primary(from.primary);
    to.set_maintenance(from.maintenance);
    to.set_doing(text(from.doing));
    to.set_problem(text(from.problem));
    to.set_pg_version(from.pg_version);
    to.set_in_sync_rule(from.in_sync_rule);
}

}  // namespace

v1::ClusterState state_message(const Coordinator& coordinator, const fsm::Heart& heart) {
    const fsm::Summary from = coordinator.summary(heart);
    v1::ClusterState to;
    to.set_cluster(from.cluster.v);
    to.set_epoch(from.epoch.v);
    to.set_term(from.term.v);
    to.set_timeline(from.timeline.v);
    to.set_healthy(from.healthy);
    to.set_failover_ready(from.failover_ready);
    for (const NodeName& candidate : from.candidates) to.add_failover_candidates(candidate.v);
    to.set_why_not_ready(text(from.why_not_ready));
    to.set_waiting(text(from.waiting));
    to.set_phase(std::string(word(from.phase)));
    to.set_primary(from.primary.v);
    to.set_has_writable_primary(from.has_writable_primary);
    to.set_system_id(from.system_id.v);
    to.set_standby_names(text(from.standby_names));
    for (const auto& node : from.nodes) fill(*to.add_nodes(), node);
    for (const auto& info : fsm::list_settings(heart.record())) {
        auto& setting = *to.add_settings();
        setting.set_name(info.name);
        setting.set_value(info.value);
        setting.set_meaning(info.meaning);
    }
    to.set_last_event(coordinator.last_event(from.cluster));
    to.set_dbname(default_database);
    return to;
}

StateView state_view(const Coordinator& coordinator, const fsm::Heart& heart) {
    return {state_message(coordinator, heart), coordinator.deciding() && heart.record().doubt.empty()};
}

v1::Event event_message(const Event& event) {
    v1::Event to;
    to.set_seq(event.seq);
    to.set_unix_ms(event.unix_ms);
    to.set_cluster(event.cluster.v);
    to.set_epoch(event.entry.epoch.v);
    to.set_node(event.entry.node.v);
    to.set_kind(event.entry.kind);
    to.set_rule(event.entry.rule);
    to.set_message(text(event.entry.message));
    to.set_evidence(text(event.entry.evidence));
    return to;
}

}  // namespace pgaf::monitor
