// A monitor that answers what the test says, over real gRPC on loopback; and pgafctl run against it.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pgaf/v1/admin.pb.h"

namespace pgaf::ctl {

/// How a faked call ends: OK, or a refusal with a gRPC code.
struct FakeStatus {
    int code = 0;
    std::string message;
};
inline constexpr int not_found = 5;
inline constexpr int failed_precondition = 9;
inline constexpr int unavailable = 14;

class FakeMonitor {
  public:
    FakeMonitor();
    /// On a port that an earlier one used: a monitor that was restarted.
    explicit FakeMonitor(int port);
    ~FakeMonitor();
    FakeMonitor(const FakeMonitor&) = delete;
    FakeMonitor& operator=(const FakeMonitor&) = delete;

    [[nodiscard]] int port() const;
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port()); }

    // What it answers. Set before calls are made.
    FakeStatus status;  // of every call
    v1::ClusterState state;
    std::vector<v1::Event> events;
    std::vector<v1::OperationUpdate> updates;  // of Perform; a dry run gets the last one only
    int delay_ms = 0;                          // before it answers
    std::string done_message = "done";

    /// The requests so far, as text: "Perform cluster: "default" kind: ...".
    [[nodiscard]] std::vector<std::string> requests() const;

    struct Service;

  private:
    std::unique_ptr<Service> service_;
};

struct Ran {
    int code = -1;
    std::string out;
    std::string err;
};

struct Run {
    std::string monitors;
    std::map<std::string, std::string> environment{};
    bool terminal = false;
    std::string typed{};

    Ran operator()(std::vector<std::string> args) const;
};

v1::NodeStatus node(const std::string& name, int port, bool primary);
/// The cluster of the documentation: three healthy nodes, node1 the primary of epoch 7.
v1::ClusterState healthy_cluster();
v1::Event event(std::uint64_t seq, const std::string& node, const std::string& kind, const std::string& message);
v1::OperationUpdate progress(const v1::Event& event);
v1::OperationUpdate result(bool ok, const std::string& message, std::int64_t pause_ms = -1);

}  // namespace pgaf::ctl
