// The coordinator's plain values as messages of the admin API. For the gRPC services and the JSON of the HTTP side.
#pragma once

#include "monitor/service/coordinator.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::monitor {

[[nodiscard]] v1::ClusterState state_message(const Coordinator& coordinator, const fsm::Heart& heart);
/// A cluster for those who look at it live.
struct StateView {
    v1::ClusterState state;
    /// This monitor decides about it: it is not stopping, and the cluster's record is not in doubt (R11).
    bool decides = false;
};
[[nodiscard]] StateView state_view(const Coordinator& coordinator, const fsm::Heart& heart);
[[nodiscard]] v1::Event event_message(const Event& event);

}  // namespace pgaf::monitor
