#include "monitor/service/requests.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/wire/convert.h"

namespace pgaf::monitor {
namespace {

using grpc::Status;
using grpc::StatusCode;

constexpr std::uint32_t usual_events = 100;
constexpr std::uint32_t most_events = 1000;

struct Kind {
    std::string_view word;
    bool needs_node;
};
constexpr std::array kinds{Kind{"switchover", false},
                           Kind{"failover", false},
                           Kind{"promotion", true},
                           Kind{"enable-maintenance", true},
                           Kind{"disable-maintenance", true},
                           Kind{"drop-node", true},
                           Kind{"rebuild", false}};

Status invalid(const std::string& why) {
    return {StatusCode::INVALID_ARGUMENT, wire::wire_text(why)};
}

/// A text of the request as it may be repeated in an answer.
std::string quoted(const std::string& text) {
    return "'" + text.substr(0, 64) + "'";
}

}  // namespace

Status find_cluster(const Coordinator& coordinator, const std::string& name, const fsm::Heart*& heart) {
    if (!is_valid_cluster_name(name))
        return invalid(quoted(name) + " is not a cluster name: use at most 16 of a-z, 0-9 and '-'");
    heart = coordinator.find(ClusterName{name});
    if (heart) return Status::OK;
    std::string known;
    for (const ClusterName& other : coordinator.names()) known += (known.empty() ? "" : ", ") + other.v;
    return {StatusCode::NOT_FOUND,
            "no cluster is called " + quoted(name) + "; " +
                (known.empty() ? "there is none yet: a cluster begins when its first keeper connects"
                               : "there are: " + known)};
}

Status find_node(const fsm::Heart& heart, const std::string& name) {
    if (!is_valid_node_name(name))
        return invalid(quoted(name) + " is not a node name: use at most 24 of a-z, 0-9 and '-'");
    if (heart.record().nodes.contains(NodeName{name})) return Status::OK;
    std::string known;
    for (const auto& [other, node] : heart.record().nodes) known += (known.empty() ? "" : ", ") + other.v;
    return {StatusCode::NOT_FOUND,
            "no node is called " + quoted(name) + "; cluster " + heart.record().name.v + " has: " + known};
}

Status read(const fsm::Heart& heart, const v1::OperationRequest& request, fsm::Command& command) {
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& k) { return k.word == request.kind(); });
    if (kind == kinds.end()) {
        std::string words;
        for (const Kind& k : kinds) words += (words.empty() ? "" : ", ") + std::string(k.word);
        return invalid("unknown operation " + quoted(request.kind()) + "; there are: " + words);
    }
    if (request.node().empty() && kind->needs_node) return invalid(request.kind() + " needs the name of a node");
    if (!request.node().empty()) {
        if (const Status found = find_node(heart, request.node()); !found.ok()) return found;
    }
    command.kind = request.kind();
    command.node.v = request.node();
    command.allow_data_loss = request.allow_data_loss();
    command.allow_failover = request.allow_failover();
    command.force = request.force();
    command.dry_run = request.dry_run();
    return Status::OK;
}

Status read(const fsm::Heart& heart, const v1::SetNodeRequest& request, fsm::Command& command) {
    if (const Status found = find_node(heart, request.node()); !found.ok()) return found;
    if (!request.has_candidate_priority() && !request.has_replication_quorum()) {
        return invalid("nothing to set: give candidate_priority or replication_quorum");
    }
    command.kind = "set-node";
    command.node.v = request.node();
    if (request.has_candidate_priority()) command.candidate_priority = request.candidate_priority();
    if (request.has_replication_quorum()) command.replication_quorum = request.replication_quorum();
    command.dry_run = request.dry_run();
    return Status::OK;
}

Status read(const fsm::Heart&, const v1::SetClusterRequest& request, fsm::Command& command) {
    if (request.setting().empty() || request.setting().size() > 64)
        return invalid("the setting's name is missing or too long");
    if (request.value().size() > wire::max_text_bytes)
        return invalid("the value of " + request.setting() + " is too long");
    command.kind = "set-cluster";
    command.setting = request.setting();
    // Configuration files write the names with '_', commands with '-'.
    std::replace(command.setting.begin(), command.setting.end(), '_', '-');
    command.value = request.value();
    command.dry_run = request.dry_run();
    return Status::OK;
}

EventQuery read(const v1::ListEventsRequest& request) {
    EventQuery query;
    query.cluster.v = request.cluster();
    query.after = request.after();
    query.since_unix_ms = request.since_unix_ms();
    query.limit = request.limit() == 0 ? usual_events : std::min(request.limit(), most_events);
    return query;
}

}  // namespace pgaf::monitor
