// Keepers' sessions over real gRPC: coming up, failing over, ending, and what is refused.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "common/wire/convert.h"
#include "monitor/store/sqlite_store.h"
#include "tests/support/slowness.h"
#include "tests/unit/monitor/keepers.h"
#include "tests/unit/store/support.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

/// Sends messages one after the other and returns the end of the session, with the refusal if one came.
struct Ended {
    grpc::Status status;
    std::string refusal;
};
Ended converse(const RunningMonitor& monitor, const std::vector<v1::KeeperMessage>& messages) {
    const auto stub = v1::KeeperService::NewStub(monitor.channel());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5) * slowness);
    const auto stream = stub->Session(&context);
    for (const auto& message : messages) {
        if (!stream->Write(message)) break;
    }
    Ended ended;
    v1::MonitorMessage answer;
    while (stream->Read(&answer)) {
        if (answer.has_refusal()) ended.refusal = answer.refusal().message();
    }
    ended.status = stream->Finish();
    return ended;
}

v1::KeeperMessage hello_message(const Hello& hello) {
    v1::KeeperMessage message;
    *message.mutable_hello() = wire::to_wire(hello);
    return message;
}
v1::KeeperMessage report_message(const Report& report) {
    v1::KeeperMessage message;
    *message.mutable_report() = wire::to_wire(report);
    return message;
}

}  // namespace

TEST_CASE("three keepers come up; a primary whose PostgreSQL exits is replaced at once") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2", "node3"});
    const auto before = monitor.state();
    CHECK(before.primary() == "node1");
    CHECK(before.failover_ready());
    CHECK(before.nodes(1).state() == "secondary");
    CHECK(before.settings_size() >= 5);

    const v1::Ack ack = cluster.keepers["node2"]->last_ack();
    CHECK(ack.seq() > 0);
    CHECK(ack.heartbeat_ms() == 500);
    CHECK(ack.node_timeout_ms() == 2500);
    CHECK(eventually([&] { return cluster.keepers["node2"]->last_ack().positions_size() == 3; }));

    const auto began = Clock::now();
    {
        const std::lock_guard lock(cluster.shared.mutex);
        cluster.shared.nodes.kill_postgres(NodeName{"node1"});
    }
    REQUIRE(
        eventually([&] { return monitor.state().epoch() > before.epoch() && monitor.state().has_writable_primary(); }));
    CHECK(Clock::now() - began < std::chrono::seconds(1) * slowness);
    CHECK(monitor.state().primary() != "node1");
    CHECK(eventually([&] { return monitor.state().healthy(); }));
}

TEST_CASE("each keeper is told of the whole cluster, and told again when that has changed, once a second at most") {
    RunningMonitor monitor;
    const auto began = Clock::now();
    FakeCluster cluster(monitor, {"node1", "node2"});
    FakeKeeper& keeper = *cluster.keepers["node2"];
    const auto sees = [&](const std::string& primary) {
        const v1::ClusterView view = keeper.last_view();
        return view.members_size() == 2 &&
               std::any_of(view.members().begin(), view.members().end(),
                           [&](const auto& m) { return m.node() == primary && m.primary() && m.state() == "primary"; });
    };
    REQUIRE(eventually([&] { return sees("node1"); }));
    CHECK(keeper.last_view().settings_size() > 0);
    {
        const std::lock_guard lock(cluster.shared.mutex);
        cluster.shared.nodes.kill_postgres(NodeName{"node1"});
    }
    REQUIRE(eventually([&] { return sees("node2"); }));
    // It has reported all the time, every 20 ms.
    CHECK(keeper.views() <= 2 + (Clock::now() - began) / std::chrono::seconds(1));
}

TEST_CASE("the end of a stream is known at once") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2", "node3"});
    const auto connected = [&] {
        const v1::ClusterState state = monitor.state();
        for (const auto& node : state.nodes()) {
            if (node.name() == "node3") return node.connected();
        }
        return false;
    };
    REQUIRE(connected());
    const auto began = Clock::now();
    cluster.keepers["node3"]->reset();
    REQUIRE(eventually([&] { return !connected(); }));
    CHECK(Clock::now() - began < std::chrono::milliseconds(500) * slowness);
    // It comes back as a secondary.
    cluster.keepers.erase("node3");
    Hello hello;
    {
        const std::lock_guard lock(cluster.shared.mutex);
        hello = cluster.shared.nodes.new_boot(NodeName{"node3"});
    }
    cluster.keepers["node3"] = std::make_unique<FakeKeeper>(monitor, cluster.shared, hello);
    CHECK(eventually([&] { return connected() && monitor.state().healthy(); }));
}

TEST_CASE("sessions that no keeper would open are refused with the reason") {
    RunningMonitor monitor;
    FakeNodes nodes;
    const Hello hello = nodes.add("junk", "node1");
    const Report report = nodes.report(NodeName{"node1"});

    SECTION("a hello with a bad port") {
        auto message = hello_message(hello);
        message.mutable_hello()->set_port(0);
        const auto ended = converse(monitor, {message});
        CHECK(ended.status.error_code() == grpc::INVALID_ARGUMENT);
        CHECK_THAT(ended.refusal, Catch::Contains("port: 0 is not a port"));
    }
    SECTION("a report first") {
        const auto ended = converse(monitor, {report_message(report)});
        CHECK(ended.status.error_code() == grpc::FAILED_PRECONDITION);
        CHECK_THAT(ended.refusal, Catch::Contains("before the hello"));
    }
    SECTION("a second hello") {
        const auto ended = converse(monitor, {hello_message(hello), hello_message(hello)});
        CHECK(ended.status.error_code() == grpc::FAILED_PRECONDITION);
        CHECK_THAT(ended.refusal, Catch::Contains("second hello"));
    }
    SECTION("a report of another node") {
        nodes.add("junk", "node2");
        const auto ended = converse(monitor, {hello_message(hello), report_message(nodes.report(NodeName{"node2"}))});
        CHECK(ended.status.error_code() == grpc::INVALID_ARGUMENT);
        CHECK_THAT(ended.refusal, Catch::Contains("junk/node2 in the session of junk/node1"));
    }
    SECTION("an unknown word") {
        auto message = report_message(report);
        message.mutable_report()->set_status("floating");
        const auto ended = converse(monitor, {hello_message(hello), message});
        CHECK(ended.status.error_code() == grpc::INVALID_ARGUMENT);
        CHECK_THAT(ended.refusal, Catch::Contains("status: unknown word 'floating'"));
    }
    SECTION("a message over the limit") {
        auto message = report_message(report);
        message.mutable_report()->set_problem(std::string(5 << 20, 'x'));
        CHECK(converse(monitor, {hello_message(hello), message}).status.error_code() != grpc::OK);
    }
    // The monitor goes on, and no junk is left in it.
    FakeCluster cluster(monitor, {"a"});
    CHECK(monitor.state().healthy());
}

TEST_CASE("a keeper with another cluster's data is turned away with the reason") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1"});
    Hello stranger;
    {
        const std::lock_guard lock(cluster.shared.mutex);
        stranger = cluster.shared.nodes.add("default", "node2");
    }
    stranger.system_id.v = "7999999999999999999";
    FakeKeeper keeper(monitor, cluster.shared, stranger);
    CHECK(eventually([&] { return !keeper.refusal().empty(); }));
    CHECK_THAT(keeper.refusal(), Catch::Contains("another PostgreSQL cluster"));
    CHECK(keeper.goals() == 0);
}

TEST_CASE("a monitor that stops says so to everybody, and is gone soon") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto admin = monitor.admin();
    grpc::ClientContext context;
    v1::GetStateRequest request;
    request.set_cluster("default");
    const auto watch = admin->WatchState(&context, request);
    v1::ClusterState state;
    REQUIRE(watch->Read(&state));
    const auto began = Clock::now();
    CHECK(monitor.stop().has_value());
    CHECK(Clock::now() - began < std::chrono::seconds(2) * slowness);
    CHECK(eventually([&] { return !cluster.keepers["node1"]->refusal().empty(); }));
    CHECK_THAT(cluster.keepers["node1"]->refusal(), Catch::Contains("stopping"));
    while (watch->Read(&state)) {
    }
    CHECK(watch->Finish().error_code() == grpc::UNAVAILABLE);
}

TEST_CASE("a monitor whose store fails ends with the reason") {
    auto store = std::make_unique<monitor::MemoryStore>();
    store->fail_saves("store: the disk is full: make room");
    RunningMonitor monitor(std::move(store));
    SharedNodes shared;
    FakeKeeper keeper(monitor, shared, shared.nodes.add("default", "node1"));
    const auto result = monitor.wait();
    REQUIRE(result.has_error());
    CHECK_THAT(result.error().message, Catch::Contains("the disk is full"));
    CHECK(keeper.goals() == 0);
}

TEST_CASE("a monitor that was overtaken on its store answers no report any more, and ends (R10)") {
    const TemporaryFolder folder;
    const std::string path = folder.file("store.db");
    RunningMonitor monitor(must(monitor::open_sqlite_store({path})));
    SharedNodes shared;
    FakeKeeper keeper(monitor, shared, shared.nodes.add("default", "node1"));
    REQUIRE(eventually([&] { return keeper.last_ack().seq() > 0; }));
    std::filesystem::remove(path + ".lock");
    const auto second = must(monitor::open_sqlite_store({path}));
    std::uint64_t last_before = 0;
    {
        // Whatever is reported from here on is answered by nobody: a lease of the primary would count from it (R8).
        const std::lock_guard lock(shared.mutex);
        last_before = shared.nodes.report(NodeName{"node1"}).seq;
        must(second->begin_term(MonitorId{"2222222222222222"}));
    }
    const auto result = monitor.wait();
    REQUIRE(result.has_error());
    CHECK_THAT(result.error().message, Catch::Contains("another monitor has begun term 2"));
    CHECK(keeper.last_ack().seq() <= last_before);
}

TEST_CASE("ports in use are one clear error") {
    RunningMonitor monitor;
    monitor::AppOptions options;
    SECTION("gRPC") {
        options.listen = "127.0.0.1:" + std::to_string(monitor.grpc_port());
    }
    SECTION("HTTP") {
        options.http_listen = "127.0.0.1:" + std::to_string(monitor.http_port());
    }
    const auto second = monitor::App::start(options, std::make_unique<monitor::MemoryStore>());
    REQUIRE(second.has_error());
    CHECK_THAT(second.error().message,
               Catch::Contains("cannot listen on 127.0.0.1:") && Catch::Contains("another program"));
}
