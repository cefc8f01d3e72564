#include "fake_monitor.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "ctl/pgafctl.h"
#include "pgaf/v1/admin.grpc.pb.h"

namespace pgaf::ctl {

struct FakeMonitor::Service final : v1::AdminService::Service {
    explicit Service(FakeMonitor& monitor) : fake(monitor) {}

    /// Notes the request, waits as told (but not longer than the caller), and gives the status to end with.
    template <class Request>
    grpc::Status arrive(grpc::ServerContext* context, const std::string& call, const Request& request) {
        {
            const std::lock_guard lock(mutex);
            seen.push_back(call + " " + request.ShortDebugString());
        }
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(fake.delay_ms);
        while (std::chrono::steady_clock::now() < until && !context->IsCancelled())
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        return {static_cast<grpc::StatusCode>(fake.status.code), fake.status.message};
    }

    grpc::Status GetState(grpc::ServerContext* context, const v1::GetStateRequest* request,
                          v1::ClusterState* answer) override {
        *answer = fake.state;
        return arrive(context, "GetState", *request);
    }
    grpc::Status WatchState(grpc::ServerContext* context, const v1::GetStateRequest* request,
                            grpc::ServerWriter<v1::ClusterState>* writer) override {
        writer->Write(fake.state);
        writer->Write(fake.state);
        return arrive(context, "WatchState", *request);
    }
    grpc::Status ListEvents(grpc::ServerContext* context, const v1::ListEventsRequest* request,
                            v1::EventList* answer) override {
        for (const auto& event : fake.events) *answer->add_events() = event;
        return arrive(context, "ListEvents", *request);
    }
    grpc::Status WatchEvents(grpc::ServerContext* context, const v1::ListEventsRequest* request,
                             grpc::ServerWriter<v1::Event>* writer) override {
        for (const auto& event : fake.events)
            if (event.seq() > request->after()) writer->Write(event);
        return arrive(context, "WatchEvents", *request);
    }
    grpc::Status Perform(grpc::ServerContext* context, const v1::OperationRequest* request,
                         grpc::ServerWriter<v1::OperationUpdate>* writer) override {
        const auto status = arrive(context, "Perform", *request);
        if (!status.ok()) return status;
        for (const auto& update : fake.updates)
            if (!request->dry_run() || &update == &fake.updates.back()) writer->Write(update);
        return status;
    }
    grpc::Status SetNode(grpc::ServerContext* context, const v1::SetNodeRequest* request, v1::Done* answer) override {
        answer->set_message(fake.done_message);
        return arrive(context, "SetNode", *request);
    }
    grpc::Status SetCluster(grpc::ServerContext* context, const v1::SetClusterRequest* request,
                            v1::Done* answer) override {
        answer->set_message(fake.done_message);
        return arrive(context, "SetCluster", *request);
    }

    FakeMonitor& fake;
    std::mutex mutex;
    std::vector<std::string> seen;
    int port = 0;
    std::unique_ptr<grpc::Server> server;
};

FakeMonitor::FakeMonitor() : FakeMonitor(0) {}

FakeMonitor::FakeMonitor(int port) : state(healthy_cluster()), service_(std::make_unique<Service>(*this)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(), &service_->port);
    builder.RegisterService(service_.get());
    service_->server = builder.BuildAndStart();
    REQUIRE(service_->port != 0);
}

FakeMonitor::~FakeMonitor() {
    service_->server->Shutdown(std::chrono::system_clock::now());
}

int FakeMonitor::port() const {
    return service_->port;
}

std::vector<std::string> FakeMonitor::requests() const {
    const std::lock_guard lock(service_->mutex);
    return service_->seen;
}

Ran Run::operator()(std::vector<std::string> args) const {
    std::istringstream in(typed);
    std::ostringstream out;
    std::ostringstream err;
    Terminal streams{.in = in, .out = out, .err = err, .out_is_terminal = terminal, .can_ask = terminal};
    if (!monitors.empty()) args.insert(args.begin(), {"--monitor", monitors});
    const int code = run(args, environment, streams);
    return {code, out.str(), err.str()};
}

v1::NodeStatus node(const std::string& name, int port, bool primary) {
    v1::NodeStatus node;
    node.set_name(name);
    node.set_host("127.0.0.1");
    node.set_port(static_cast<std::uint32_t>(port));
    node.set_incarnation("00112233445566" + name.substr(name.size() - 1) + "0");
    node.set_state(primary ? "primary" : "secondary");
    node.set_assigned(node.state());
    node.set_lsn(0x5001A28);
    node.set_timeline(3);
    node.set_replication_quorum(true);
    node.set_connected(true);
    node.set_healthy(true);
    node.set_primary(primary);
    node.set_pg_version(150018);
    if (!primary) node.set_lag_bytes(0);
    if (!primary) node.set_in_sync_rule(true);
    return node;
}

v1::ClusterState healthy_cluster() {
    v1::ClusterState state;
    state.set_cluster("default");
    state.set_epoch(7);
    state.set_term(2);
    state.set_timeline(3);
    state.set_healthy(true);
    state.set_failover_ready(true);
    state.add_failover_candidates("node2");
    state.add_failover_candidates("node3");
    state.set_phase("steady");
    state.set_primary("node1");
    state.set_has_writable_primary(true);
    state.set_system_id("7300000000000000001");
    state.set_standby_names("ANY 1 (\"pgaf_default_node2_0011\", \"pgaf_default_node3_0011\")");
    state.set_dbname("postgres");
    state.set_last_event(42);
    const int seen_ms[] = {200, 100, 300};
    const unsigned priority[] = {100, 90, 80};
    for (int i = 0; i < 3; ++i) {
        auto& added = *state.add_nodes();
        added = node("node" + std::to_string(i + 1), 6001 + i, i == 0);
        added.set_seen_ms(seen_ms[i]);
        added.set_candidate_priority(priority[i]);
    }
    auto& setting = *state.add_settings();
    setting.set_name("number-sync-standbys");
    setting.set_value("1");
    setting.set_meaning("standbys that must confirm a commit");
    auto& other = *state.add_settings();
    other.set_name("node-timeout-ms");
    other.set_value("2500");
    other.set_meaning("silence after which a node counts as lost");
    return state;
}

v1::Event event(std::uint64_t seq, const std::string& node, const std::string& kind, const std::string& message) {
    v1::Event event;
    event.set_seq(seq);
    event.set_unix_ms(1769860800123 + static_cast<std::int64_t>(seq));
    event.set_cluster("default");
    event.set_epoch(7);
    event.set_node(node);
    event.set_kind(kind);
    event.set_message(message);
    return event;
}

v1::OperationUpdate progress(const v1::Event& event) {
    v1::OperationUpdate update;
    *update.mutable_event() = event;
    return update;
}

v1::OperationUpdate result(bool ok, const std::string& message, std::int64_t pause_ms) {
    v1::OperationUpdate update;
    update.mutable_result()->set_ok(ok);
    update.mutable_result()->set_message(message);
    if (pause_ms >= 0) update.mutable_result()->set_write_pause_ms(pause_ms);
    return update;
}

}  // namespace pgaf::ctl
