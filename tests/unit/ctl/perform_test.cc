// Long operations: requests as the monitor gets them, events as they come, the measured result, confirmations.
#include "fake_monitor.h"

namespace pgaf::ctl {
namespace {

using Catch::Contains;
using Json = nlohmann::ordered_json;

TEST_CASE("A switchover shows its events and ends with the measured pause") {
    ::setenv("TZ", "UTC", 1);
    FakeMonitor monitor;
    monitor.updates = {progress(event(1, "node1", "draining", "checkpoint, then stop")),
                       progress(event(2, "node2", "node_promoted", "promoted on timeline 4")),
                       progress(event(3, "node2", "node_chosen", "node2 takes writes")),
                       result(true, "node2 is primary", 134)};
    const Run run{monitor.address()};
    const auto ran = run({"perform", "switchover", "--to", "node2"});
    CHECK(ran.code == 0);
    CHECK(ran.err.empty());
    CHECK(ran.out ==
          "12:00:00.124  node1: checkpoint, then stop\n"
          "12:00:00.125  node2: promoted on timeline 4\n"
          "12:00:00.126  node2 takes writes\n"
          "switchover done: node2 is primary, writes paused for 0.13 s\n");
    CHECK(monitor.requests().back() == "Perform cluster: \"default\" kind: \"switchover\" node: \"node2\"");

    monitor.updates.back() = result(true, "node2 is primary, writes paused for 0.13 s", 134);
    CHECK_THAT(run({"perform", "switchover"}).out,
               Catch::EndsWith("\nswitchover done: node2 is primary, writes paused for 0.13 s\n"));
    monitor.updates.back() = result(true, "node2 is primary", 134);

    const auto json = Json::parse(run({"perform", "switchover", "-o", "json"}).out);
    CHECK(json["ok"] == true);
    CHECK(json["message"] == "node2 is primary");
    CHECK(json["write_pause_ms"] == 134);
    CHECK(json["dry_run"] == false);
    CHECK(json["events"].size() == 3);
    CHECK(json["events"][1]["kind"] == "node_promoted");
}

TEST_CASE("What is refused says why, and ends in 1") {
    FakeMonitor monitor;
    monitor.updates = {result(false, "node2 lags 40 MB behind; wait, or name another node")};
    const Run run{monitor.address()};
    const auto ran = run({"perform", "switchover"});
    CHECK(ran.code == 1);
    CHECK(ran.out.empty());
    CHECK(ran.err == "pgafctl: node2 lags 40 MB behind; wait, or name another node\n");
    const auto json = run({"perform", "switchover", "-o", "json"});
    CHECK(json.code == 1);
    CHECK(Json::parse(json.out)["ok"] == false);
    CHECK(Json::parse(json.out)["write_pause_ms"].is_null());
}

TEST_CASE("Each command becomes its request") {
    FakeMonitor monitor;
    monitor.updates = {result(true, "done")};
    const Run run{monitor.address()};
    const auto request = [&](std::vector<std::string> args) {
        CHECK(run(std::move(args)).code == 0);
        return monitor.requests().back();
    };
    CHECK(request({"perform", "failover"}) == "Perform cluster: \"default\" kind: \"failover\"");
    CHECK(request({"perform", "failover", "--allow-data-loss", "--yes"}) ==
          "Perform cluster: \"default\" kind: \"failover\" allow_data_loss: true");
    CHECK(request({"perform", "promotion", "--name", "node3", "--cluster", "c2"}) ==
          "Perform cluster: \"c2\" kind: \"promotion\" node: \"node3\"");
    CHECK(request({"enable", "maintenance", "--name", "node3"}) ==
          "Perform cluster: \"default\" kind: \"enable-maintenance\" node: \"node3\"");
    CHECK(request({"enable", "maintenance", "--name", "node1", "--allow-failover"}) ==
          "Perform cluster: \"default\" kind: \"enable-maintenance\" node: \"node1\" allow_failover: true");
    CHECK(request({"disable", "maintenance", "--name", "node1"}) ==
          "Perform cluster: \"default\" kind: \"disable-maintenance\" node: \"node1\"");
    CHECK(request({"drop", "node", "node3", "--yes"}) ==
          "Perform cluster: \"default\" kind: \"drop-node\" node: \"node3\"");
    CHECK(request({"drop", "node", "--name", "node3", "--force", "-y"}) ==
          "Perform cluster: \"default\" kind: \"drop-node\" node: \"node3\" force: true");
    CHECK(request({"--dry-run", "drop", "node", "node3"}) ==
          "Perform cluster: \"default\" kind: \"drop-node\" node: \"node3\" dry_run: true");
    CHECK(request({"perform", "rebuild", "--yes"}) == "Perform cluster: \"default\" kind: \"rebuild\"");
    // A node may be called like a command.
    CHECK(request({"drop", "node", "drop", "--yes"}) ==
          "Perform cluster: \"default\" kind: \"drop-node\" node: \"drop\"");
}

TEST_CASE("Usage errors end in 2 and ask nothing of the monitor") {
    const FakeMonitor monitor;
    const Run run{monitor.address()};
    for (const std::vector<std::string>& args : {std::vector<std::string>{},
                                                 {"perform"},
                                                 {"perform", "failback"},
                                                 {"perform", "promotion"},
                                                 {"drop", "node"},
                                                 {"enable", "maintenance"},
                                                 {"disable", "maintenance", "--name", "n", "--allow-failover"},
                                                 {"show", "state", "--bogus"},
                                                 {"-o", "xml", "show", "state"},
                                                 {"--timeout", "soon", "show", "state"},
                                                 {"--timeout", "0", "show", "state"},
                                                 {"--cluster", "Not A Name", "show", "state"}}) {
        const auto ran = run(args);
        CAPTURE(args);
        CHECK(ran.code == 2);
        CHECK(ran.out.empty());
        CHECK_THAT(ran.err, Catch::StartsWith("pgafctl: "));
    }
    CHECK(monitor.requests().empty());
}

TEST_CASE("Without a terminal, what must be confirmed needs --yes") {
    const FakeMonitor monitor;
    for (const std::vector<std::string>& args : {std::vector<std::string>{"drop", "node", "node3"},
                                                 {"perform", "failover", "--allow-data-loss"},
                                                 {"perform", "rebuild"}}) {
        const auto ran = Run{monitor.address()}(args);
        CHECK(ran.code == 5);
        CHECK_THAT(ran.err, Contains("--yes"));
    }
    CHECK(monitor.requests().empty());
}

TEST_CASE("On a terminal it asks, after the monitor has said what would happen") {
    FakeMonitor monitor;
    monitor.updates = {progress(event(1, "node2", "chosen", "node2 is chosen")),
                       result(true, "up to 12 kB after 0/5001A28 may be lost")};
    const std::vector<std::string> args{"perform", "failover", "--allow-data-loss"};
    SECTION("yes") {
        const auto ran = Run{.monitors = monitor.address(), .terminal = true, .typed = "y\n"}(args);
        CHECK(ran.code == 0);
        CHECK(ran.err ==
              "A failover that may lose acknowledged commits.\nup to 12 kB after 0/5001A28 may be lost\n"
              "Continue? [y/N] ");
        REQUIRE(monitor.requests().size() == 2);
        CHECK_THAT(monitor.requests()[0], Contains("dry_run: true"));
        CHECK_THAT(monitor.requests()[1], !Contains("dry_run"));
    }
    SECTION("anything else, or nothing, is a no") {
        for (const auto* typed : {"n\n", "\n", "", "yy\n"}) {
            const auto ran = Run{.monitors = monitor.address(), .terminal = true, .typed = typed}(args);
            CHECK(ran.code == 1);
            CHECK_THAT(ran.err, Contains("nothing was changed"));
        }
        for (const auto& request : monitor.requests()) CHECK_THAT(request, Contains("dry_run: true"));
    }
    SECTION("what would be refused is not asked") {
        monitor.updates.back() = result(false, "node1 is in reach: perform switchover instead");
        const auto ran = Run{.monitors = monitor.address(), .terminal = true, .typed = "y\n"}(args);
        CHECK(ran.code == 1);
        CHECK(ran.err == "pgafctl: node1 is in reach: perform switchover instead\n");
        CHECK(monitor.requests().size() == 1);
    }
}

TEST_CASE("A call that ends without a result is not taken for success") {
    FakeMonitor monitor;
    monitor.updates = {progress(event(1, "node1", "draining", "checkpoint"))};
    const auto ran = Run{monitor.address()}({"perform", "switchover"});
    CHECK(ran.code == 3);
    CHECK_THAT(ran.err, Contains("without a result"));
}

}  // namespace
}  // namespace pgaf::ctl
