#include "ctl/documents.h"

#include <nlohmann/json.hpp>

#include "common/lsn.h"
#include "ctl/text.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::ctl {
namespace {

using Json = nlohmann::ordered_json;

Json node_document(const v1::NodeStatus& node) {
    return Json{
        {"name", node.name()},
        {"host", node.host()},
        {"port", node.port()},
        {"incarnation", node.incarnation()},
        {"primary", node.primary()},
        {"state", node.state()},
        {"assigned", node.assigned()},
        {"lsn", Lsn{node.lsn()}.text()},
        {"timeline", node.timeline()},
        {"lag_bytes", node.has_lag_bytes() ? Json(node.lag_bytes()) : Json(nullptr)},
        {"lag_ms", node.has_lag_ms() ? Json(node.lag_ms()) : Json(nullptr)},
        {"candidate_priority", node.candidate_priority()},
        {"replication_quorum", node.replication_quorum()},
        {"in_sync_rule", node.in_sync_rule()},
        {"seen_ms", node.seen_ms() < 0 ? Json(nullptr) : Json(node.seen_ms())},
        {"connected", node.connected()},
        {"healthy", node.healthy()},
        {"maintenance", node.maintenance()},
        {"doing", node.doing()},
        {"problem", node.problem()},
        {"pg_version", node.pg_version()},
    };
}

}  // namespace

Json state_document(const v1::ClusterState& state) {
    Json nodes = Json::array();
    for (const auto& node : state.nodes()) nodes.push_back(node_document(node));
    Json candidates = Json::array();
    for (const auto& name : state.failover_candidates()) candidates.push_back(name);
    return Json{
        {"cluster", state.cluster()},
        {"system_id", state.system_id()},
        {"epoch", state.epoch()},
        {"term", state.term()},
        {"timeline", state.timeline()},
        {"phase", state.phase()},
        {"healthy", state.healthy()},
        {"primary", state.primary()},
        {"has_writable_primary", state.has_writable_primary()},
        {"failover_ready", state.failover_ready()},
        {"failover_candidates", candidates},
        {"why_not_ready", state.why_not_ready()},
        {"waiting", state.waiting()},
        {"standby_names", state.standby_names()},
        {"dbname", state.dbname()},
        {"last_event", state.last_event()},
        {"nodes", nodes},
    };
}

Json settings_document(const v1::ClusterState& state) {
    Json settings = Json::array();
    for (const auto& setting : state.settings())
        settings.push_back(Json{{"name", setting.name()}, {"value", setting.value()}, {"meaning", setting.meaning()}});
    return Json{{"cluster", state.cluster()}, {"settings", settings}};
}

Json event_document(const v1::Event& event) {
    return Json{
        {"seq", event.seq()},         {"time", utc_time_text(event.unix_ms())},
        {"unix_ms", event.unix_ms()}, {"cluster", event.cluster()},
        {"epoch", event.epoch()},     {"node", event.node()},
        {"kind", event.kind()},       {"rule", event.rule()},
        {"message", event.message()}, {"evidence", event.evidence()},
    };
}

Json result_document(const v1::OperationResult& result) {
    return Json{
        {"ok", result.ok()},
        {"message", result.message()},
        {"write_pause_ms", result.has_write_pause_ms() ? Json(result.write_pause_ms()) : Json(nullptr)},
    };
}

}  // namespace pgaf::ctl
