#include "keeper/http/status.h"

#include <nlohmann/json.hpp>

#include "common/reflect.h"
#include "keeper/reconcile/report.h"

namespace pgaf::keeper {
namespace {

using Json = nlohmann::json;

/// One that was primary and is to be it no more calls itself so, for those who read the role instead of a code.
std::string role_word(const LoopView& v) {
    if (v.facts.status == PgStatus::absent || v.facts.status == PgStatus::unknown) return "uninitialized";
    if (v.facts.in_recovery) return "replica";
    return goal_role(v) == Role::primary ? "primary" : "demoted";
}

Json wal(const Facts& f) {
    if (!f.in_recovery) return {{"location", f.end.v}};
    return {{"received_location", f.end.v}, {"replayed_location", f.replayed.v}, {"paused", f.replay_paused}};
}

/// The standbys that stream from here.
Json replication(const LoopView& v) {
    Json rows = Json::array();
    for (const WalsenderView& s : v.facts.standbys) {
        const Peer* peer = v.promise.goal ? find_peer(v.promise.goal->peers, s.incarnation) : nullptr;
        const ClusterMember* member = peer ? find_member(v.cluster, peer->node) : nullptr;
        Json row{{"incarnation", s.incarnation.v},
                 {"state", s.streaming ? "streaming" : "catchup"},
                 {"sync_state", member && member->in_sync_rule ? "quorum" : "async"},
                 {"flushed_location", s.flushed.v},
                 {"replayed_location", s.replayed.v}};
        if (peer) row["application_name"] = peer->node.v;
        rows.push_back(std::move(row));
    }
    return rows;
}

Json own_words(const LoopView& v) {
    const Promise& p = v.promise;
    return {{"cluster", p.cluster.v},
            {"node", p.node.v},
            {"incarnation", p.incarnation.v},
            {"epoch", p.promised.epoch.v},
            {"reported", std::string(word(reported_state(p, v.facts)))},
            {"assigned", std::string(word(p.goal ? p.goal->assigned : NodeState::init))},
            {"upstream", v.facts.following.v},
            {"writable", is_writable(v.run, v.facts)},
            {"doing", v.doing},
            {"problem", v.problem},
            {"monitor_in_reach", v.run.monitor_in_reach},
            {"monitor_refusal", v.refusal}};
}

}  // namespace

Json status_document(const LoopView& v, const Tags& tags) {
    Json json{{"state", std::string(word(v.facts.status))},
              {"role", role_word(v)},
              {"server_version", v.facts.pg_version},
              {"timeline", v.facts.timeline.v},
              {"xlog", wal(v.facts)},
              {"replication_state", v.facts.receiver.streaming ? "streaming" : ""},
              {"pause", false},
              {"pending_restart", false},
              {"tags", tags},
              {"database_system_identifier", v.facts.system_id.v},
              {"patroni", {{"version", PGAF_VERSION}, {"scope", v.promise.cluster.v}, {"name", v.promise.node.v}}},
              {"pgaf", own_words(v)}};
    if (!v.facts.in_recovery) json["replication"] = replication(v);
    if (is_standby(v) && in_sync_rule(v).value_or(false)) json["sync_standby"] = true;
    if (const auto behind = lag(v); v.facts.in_recovery && behind) json["lag"] = *behind;
    return json;
}

}  // namespace pgaf::keeper
