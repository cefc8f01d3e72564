// What the admin API's requests must be before the heart sees them, with the status codes of those that are not.
#pragma once

#include <grpcpp/support/status.h>

#include "monitor/service/coordinator.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::monitor {

/// OK: the cluster exists, and `heart` is set. INVALID_ARGUMENT: not a name. NOT_FOUND: says which clusters there are.
[[nodiscard]] grpc::Status find_cluster(const Coordinator& coordinator, const std::string& name,
                                        const fsm::Heart*& heart);
[[nodiscard]] grpc::Status find_node(const fsm::Heart& heart, const std::string& name);

/// The heart's commands. Not OK: INVALID_ARGUMENT or NOT_FOUND.
[[nodiscard]] grpc::Status read(const fsm::Heart& heart, const v1::OperationRequest& request, fsm::Command& command);
[[nodiscard]] grpc::Status read(const fsm::Heart& heart, const v1::SetNodeRequest& request, fsm::Command& command);
[[nodiscard]] grpc::Status read(const fsm::Heart& heart, const v1::SetClusterRequest& request, fsm::Command& command);

/// The store's query for a list of events; the limit is filled in and bounded.
[[nodiscard]] EventQuery read(const v1::ListEventsRequest& request);

}  // namespace pgaf::monitor
