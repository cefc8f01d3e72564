// gRPC's KeeperService: one session for each keeper, between its stream and the coordinator.
#pragma once

#include <memory>

#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace grpc {
class Service;
}

namespace pgaf::monitor {

/// The service is not to be destroyed before the strand has run what its sessions posted.
[[nodiscard]] std::shared_ptr<grpc::Service> make_keeper_service(Post post, Coordinator& coordinator);

}  // namespace pgaf::monitor
