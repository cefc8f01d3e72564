// The admin API of the monitor, as pgafctl calls it. Tries the monitors in turn; turns every failure into an exit code
// and a message that says what to do. Knows nothing of output.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net.h"
#include "ctl/exit_code.h"

namespace pgaf::v1 {
class ClusterState;
class Done;
class Event;
class EventList;
class ListEventsRequest;
class OperationRequest;
class OperationUpdate;
class SetClusterRequest;
class SetNodeRequest;
}  // namespace pgaf::v1

namespace pgaf::ctl {

/// How a call ended.
struct Outcome {
    ExitCode code = exit_done;
    std::string message;
    [[nodiscard]] bool ok() const { return code == exit_done; }
};

class Client {
  public:
    /// `timeout`: for a whole call, from the first connection attempt to the last answer; none: no end.
    Client(std::vector<HostPort> monitors, std::optional<std::chrono::milliseconds> timeout);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    Outcome get_state(const std::string& cluster, v1::ClusterState& answer);
    Outcome list_events(const v1::ListEventsRequest& request, v1::EventList& answer);
    Outcome set_node(const v1::SetNodeRequest& request, v1::Done& answer);
    Outcome set_cluster(const v1::SetClusterRequest& request, v1::Done& answer);

    /// Calls `each` for every update as it comes. Never sent twice: if the connection breaks, the outcome says that
    /// the command may still be going on.
    Outcome perform(const v1::OperationRequest& request, const std::function<void(const v1::OperationUpdate&)>& each);

    /// Go on until `each` answers false, or the timeout. A monitor that goes away is waited for, and `lost` is told.
    Outcome watch_state(const std::string& cluster, const std::function<bool(const v1::ClusterState&)>& each,
                        const std::function<void(const std::string&)>& lost);
    Outcome watch_events(const v1::ListEventsRequest& request, const std::function<bool(const v1::Event&)>& each,
                         const std::function<void(const std::string&)>& lost);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pgaf::ctl
