// The admin API over real gRPC: states, events, operations, and the status codes of what is refused.
#include <grpcpp/generic/generic_stub.h>

#include <catch2/catch.hpp>

#include "tests/support/slowness.h"
#include "tests/unit/monitor/keepers.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

struct Performed {
    grpc::Status status;
    std::vector<v1::Event> events;
    std::optional<v1::OperationResult> result;
};

Performed perform(const RunningMonitor& monitor, const std::string& kind, const std::string& node = {},
                  bool dry_run = false, const std::string& cluster = "default") {
    const auto admin = monitor.admin();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10) * slowness);
    v1::OperationRequest request;
    request.set_cluster(cluster);
    request.set_kind(kind);
    request.set_node(node);
    request.set_dry_run(dry_run);
    const auto stream = admin->Perform(&context, request);
    Performed performed;
    v1::OperationUpdate update;
    while (stream->Read(&update)) {
        CHECK_FALSE(performed.result.has_value());  // the result is the last word
        if (update.has_event()) performed.events.push_back(update.event());
        if (update.has_result()) performed.result = update.result();
    }
    performed.status = stream->Finish();
    return performed;
}

grpc::Status set_cluster(const RunningMonitor& monitor, const std::string& setting, const std::string& value) {
    const auto admin = monitor.admin();
    grpc::ClientContext context;
    v1::SetClusterRequest request;
    request.set_cluster("default");
    request.set_setting(setting);
    request.set_value(value);
    v1::Done done;
    return admin->SetCluster(&context, request, &done);
}

std::string setting_of(const RunningMonitor& monitor, const std::string& name) {
    const v1::ClusterState state = monitor.state();
    for (const auto& setting : state.settings()) {
        if (setting.name() == name) return setting.value();
    }
    return "none";
}

v1::EventList list(const RunningMonitor& monitor, std::uint64_t after, std::uint32_t limit) {
    const auto admin = monitor.admin();
    grpc::ClientContext context;
    v1::ListEventsRequest request;
    request.set_cluster("default");
    request.set_after(after);
    request.set_limit(limit);
    v1::EventList events;
    CHECK(admin->ListEvents(&context, request, &events).ok());
    return events;
}

}  // namespace

TEST_CASE("a switchover shows its events as they come, and ends with the measured pause") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto before = monitor.state().last_event();
    const auto performed = perform(monitor, "switchover", "node2");
    CHECK(performed.status.ok());
    REQUIRE(performed.result);
    CHECK(performed.result->ok());
    CHECK(performed.result->has_write_pause_ms());
    REQUIRE(performed.events.size() >= 3);
    CHECK(performed.events.front().kind() == "switchover_started");
    CHECK(performed.events.back().kind() == "switchover_finished");
    std::uint64_t last = before;
    for (const auto& event : performed.events) {
        CHECK(event.seq() == last + 1);  // none left out, none twice
        last = event.seq();
    }
    CHECK(monitor.state().primary() == "node2");
}

TEST_CASE("refusals have the status codes of their kinds") {
    RunningMonitor monitor;
    CHECK(perform(monitor, "switchover").status.error_code() == grpc::NOT_FOUND);
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto code = [&](const std::string& kind, const std::string& node) {
        return perform(monitor, kind, node).status.error_code();
    };
    CHECK(code("switchover", "nobody") == grpc::NOT_FOUND);
    CHECK(code("drop-node", "nobody") == grpc::NOT_FOUND);
    CHECK(code("levitate", "") == grpc::INVALID_ARGUMENT);
    CHECK(code("switchover", "No Name") == grpc::INVALID_ARGUMENT);
    CHECK(code("promotion", "") == grpc::INVALID_ARGUMENT);
    CHECK(perform(monitor, "switchover", "", false, "other").status.error_code() == grpc::NOT_FOUND);
    CHECK_THAT(perform(monitor, "switchover", "", false, "other").status.error_message(),
               Catch::Contains("there are: default"));
    CHECK(perform(monitor, "switchover", "", false, "NO").status.error_code() == grpc::INVALID_ARGUMENT);

    const auto refused = perform(monitor, "enable-maintenance", "node1");
    CHECK(refused.status.error_code() == grpc::FAILED_PRECONDITION);
    CHECK_THAT(refused.status.error_message(), Catch::Contains("--allow-failover"));
    REQUIRE(refused.result);
    CHECK_FALSE(refused.result->ok());
    // Nothing has moved.
    CHECK(monitor.state().epoch() == 1);
}

TEST_CASE("a dry run says what would be, and does nothing") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto would = perform(monitor, "switchover", "", true);
    CHECK(would.status.ok());
    REQUIRE(would.result);
    CHECK(would.result->ok());
    CHECK_THAT(would.result->message(), Catch::Contains("would switch over"));
    const auto refused = perform(monitor, "enable-maintenance", "node1", true);
    CHECK(refused.status.ok());
    REQUIRE(refused.result);
    CHECK_FALSE(refused.result->ok());
    CHECK(monitor.state().epoch() == 1);
    CHECK(monitor.state().primary() == "node1");
}

TEST_CASE("settings and nodes are set, or refused with the allowed values") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    CHECK(set_cluster(monitor, "failover-limit", "9").ok());
    CHECK(setting_of(monitor, "failover-limit") == "9");
    CHECK(set_cluster(monitor, "failover_limit", "8").ok());  // as configuration files spell it
    CHECK(setting_of(monitor, "failover-limit") == "8");
    const auto wrong = set_cluster(monitor, "failover-limit", "many");
    CHECK(wrong.error_code() == grpc::FAILED_PRECONDITION);
    CHECK_THAT(wrong.error_message(), Catch::Contains("'many' is not a whole number"));
    CHECK(set_cluster(monitor, "", "1").error_code() == grpc::INVALID_ARGUMENT);
    CHECK(setting_of(monitor, "failover-limit") == "8");

    const auto admin = monitor.admin();
    const auto set_node = [&](const std::string& node, std::optional<std::uint32_t> priority) {
        grpc::ClientContext context;
        v1::SetNodeRequest request;
        request.set_cluster("default");
        request.set_node(node);
        if (priority) request.set_candidate_priority(*priority);
        v1::Done done;
        return admin->SetNode(&context, request, &done).error_code();
    };
    CHECK(set_node("node2", 77) == grpc::OK);
    CHECK(monitor.state().nodes(1).candidate_priority() == 77);
    CHECK(set_node("node9", 77) == grpc::NOT_FOUND);
    CHECK(set_node("node2", std::nullopt) == grpc::INVALID_ARGUMENT);
}

TEST_CASE("events can be listed, and followed without a gap") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto all = list(monitor, 0, 0);
    REQUIRE(all.events_size() >= 4);
    CHECK(all.events(0).kind() == "node_added");
    CHECK(all.events(0).unix_ms() > 0);
    CHECK(list(monitor, all.events(1).seq(), 0).events_size() == all.events_size() - 2);
    const auto newest = list(monitor, 0, 1);
    REQUIRE(newest.events_size() == 1);
    CHECK(newest.events(0).seq() == monitor.state().last_event());

    const auto admin = monitor.admin();
    grpc::ClientContext context;
    v1::ListEventsRequest request;
    request.set_cluster("default");
    request.set_after(1);
    const auto stream = admin->WatchEvents(&context, request);
    CHECK(perform(monitor, "switchover").status.ok());
    const std::uint64_t last = monitor.state().last_event();
    std::uint64_t seq = 1;
    v1::Event event;
    while (seq < last && stream->Read(&event)) {
        CHECK(event.seq() == seq + 1);
        seq = event.seq();
    }
    CHECK(seq == last);
    context.TryCancel();
    stream->Finish();
}

TEST_CASE("a watcher sees the state now, and each change") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto admin = monitor.admin();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5) * slowness);
    v1::GetStateRequest request;
    request.set_cluster("default");
    const auto stream = admin->WatchState(&context, request);
    v1::ClusterState state;
    REQUIRE(stream->Read(&state));
    CHECK(state.primary() == "node1");
    CHECK(perform(monitor, "switchover").status.ok());
    while (state.primary() != "node2" && stream->Read(&state)) {
    }
    CHECK(state.primary() == "node2");
    context.TryCancel();
    stream->Finish();

    grpc::ClientContext other;
    request.set_cluster("other");
    const auto none = admin->WatchState(&other, request);
    CHECK_FALSE(none->Read(&state));
    CHECK(none->Finish().error_code() == grpc::NOT_FOUND);
}

TEST_CASE("health checking and reflection are on") {
    RunningMonitor monitor;
    grpc::GenericStub stub(monitor.channel());
    grpc::CompletionQueue queue;
    // Messages by hand: a HealthCheckRequest {service} is field 1, the answer's status 1 is SERVING; a reflection
    // request's list_services is field 7.
    const auto call = [&](const std::string& method, const std::string& bytes) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5) * slowness);
        const auto stream = stub.PrepareCall(&context, method, &queue);
        void* tag = nullptr;
        bool ok = false;
        stream->StartCall(nullptr);
        queue.Next(&tag, &ok);
        const grpc::Slice slice(bytes);
        stream->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
        queue.Next(&tag, &ok);
        grpc::ByteBuffer answer;
        stream->Read(&answer, nullptr);
        queue.Next(&tag, &ok);
        grpc::Slice whole;
        const bool dumped = ok && answer.DumpToSingleSlice(&whole).ok();
        grpc::Status status;
        stream->Finish(&status, nullptr);
        queue.Next(&tag, &ok);
        return dumped ? std::string(reinterpret_cast<const char*>(whole.begin()), whole.size())
                      : status.error_message();
    };
    CHECK(call("/grpc.health.v1.Health/Check", "") == "\x08\x01");
    CHECK(call("/grpc.health.v1.Health/Check", "\x0a\x14pgaf.v1.AdminService") == "\x08\x01");
    const auto services = call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
    CHECK_THAT(services, Catch::Contains("pgaf.v1.AdminService") && Catch::Contains("pgaf.v1.KeeperService"));
}
