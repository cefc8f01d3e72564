// gRPC's AdminService: what pgafctl and other tools ask of the coordinator.
#pragma once

#include <memory>

#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace grpc {
class Service;
}

namespace pgaf::monitor {

/// The service is not to be destroyed before the strand has run what its calls posted.
[[nodiscard]] std::shared_ptr<grpc::Service> make_admin_service(Post post, Coordinator& coordinator);

}  // namespace pgaf::monitor
