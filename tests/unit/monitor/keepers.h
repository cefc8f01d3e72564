// Keepers over real gRPC for the service tests: fake nodes behind sessions that behave as a keeper's do, and a whole
// monitor on loopback to connect them to.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "monitor/app.h"
#include "monitor/store/memory_store.h"
#include "pgaf/v1/admin.grpc.pb.h"
#include "pgaf/v1/keeper.grpc.pb.h"
#include "tests/unit/monitor/fake_nodes.h"

namespace pgaf::test {

using Clock = std::chrono::steady_clock;

/// Waits until it holds, five seconds at most.
bool eventually(const std::function<bool()>& holds);

/// A monitor that serves on free ports of loopback, its store in memory.
class RunningMonitor {
  public:
    explicit RunningMonitor(std::unique_ptr<monitor::Store> store = std::make_unique<monitor::MemoryStore>());
    ~RunningMonitor();
    /// Stops it and waits; what run() returned.
    Result<void> stop();
    /// Waits for it to end by itself.
    Result<void> wait();
    [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const;
    [[nodiscard]] std::uint16_t http_port() const { return app_->http_port(); }
    [[nodiscard]] std::uint16_t grpc_port() const { return app_->grpc_port(); }
    std::unique_ptr<v1::AdminService::Stub> admin() const { return v1::AdminService::NewStub(channel()); }
    v1::ClusterState state(const std::string& cluster = "default") const;

  private:
    std::unique_ptr<monitor::App> app_;
    std::thread thread_;
    Result<void> result_;
};

/// Fake nodes that several sessions share.
struct SharedNodes {
    std::mutex mutex;
    FakeNodes nodes;
};

/// One keeper: says hello, reports every 20 ms and after each goal, obeys its goals.
class FakeKeeper {
  public:
    FakeKeeper(const RunningMonitor& monitor, SharedNodes& nodes, Hello hello);
    ~FakeKeeper();
    /// The stream is reset, as by a keeper that is killed. Returns when the local side is over.
    void reset();
    [[nodiscard]] int goals();
    [[nodiscard]] v1::Ack last_ack();
    [[nodiscard]] v1::ClusterView last_view();
    [[nodiscard]] int views();
    [[nodiscard]] std::string refusal();

  private:
    void read();
    void beat();
    void send(const v1::KeeperMessage& message);
    void report();

    SharedNodes& nodes_;
    Hello hello_;
    std::unique_ptr<v1::KeeperService::Stub> stub_;
    grpc::ClientContext context_;
    std::mutex write_mutex_;
    std::unique_ptr<grpc::ClientReaderWriter<v1::KeeperMessage, v1::MonitorMessage>> stream_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool over_ = false;
    int goals_ = 0;
    v1::Ack last_ack_;
    v1::ClusterView last_view_;
    int views_ = 0;
    std::string refusal_;
    std::thread reader_;
    std::thread beater_;
};

/// A cluster of fake keepers that is up.
struct FakeCluster {
    FakeCluster(const RunningMonitor& its_monitor, const std::vector<std::string>& names);
    const RunningMonitor& monitor;
    SharedNodes shared;
    std::map<std::string, std::unique_ptr<FakeKeeper>> keepers;
};

/// One HTTP request to loopback, with these header lines too: the whole answer.
std::string http_get(std::uint16_t port, const std::string& target, const std::string& headers = "");

}  // namespace pgaf::test
