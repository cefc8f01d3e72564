// What `show` prints, for people and for programs. The JSON keys are a promise: this test is where it stands.
#include "fake_monitor.h"

namespace pgaf::ctl {
namespace {

using Catch::Contains;
using Json = nlohmann::ordered_json;

std::vector<std::string> keys(const Json& object) {
    std::vector<std::string> names;
    for (const auto& [key, value] : object.items()) names.push_back(key);
    return names;
}

TEST_CASE("The state of a healthy cluster, as the documentation shows it") {
    const FakeMonitor monitor;
    const auto ran = Run{monitor.address()}({"show", "state"});
    CHECK(ran.err.empty());
    CHECK(ran.code == 0);
    CHECK("\n" + ran.out == R"(
Cluster default   epoch 7   timeline 3   healthy   failover: ready (node2, node3)
  NAME   HOST:PORT        STATE      ASSIGNED   LSN         TLI  LAG    PRIO  QUORUM  SEEN
* node1  127.0.0.1:6001   primary    primary    0/5001A28   3    -      100   yes     0.2s
  node2  127.0.0.1:6002   secondary  secondary  0/5001A28   3    0 B    90    yes     0.1s
  node3  127.0.0.1:6003   secondary  secondary  0/5001A28   3    0 B    80    yes     0.3s
)");
    CHECK(monitor.requests() == std::vector<std::string>{"GetState cluster: \"default\""});
}

TEST_CASE("A cluster in trouble says why it waits, what its nodes do, and what is wrong") {
    FakeMonitor monitor;
    auto& state = monitor.state;
    state.set_healthy(false);
    state.set_has_writable_primary(false);
    state.set_failover_ready(false);
    state.set_why_not_ready("node2 and node3 are not in reach");
    state.set_waiting("for node2 or node3; start one of them, or: pgafctl perform failover --allow-data-loss");
    state.mutable_nodes(1)->set_name("a-very-long-node-name");
    state.mutable_nodes(1)->set_host("2001:db8::17");
    state.mutable_nodes(1)->set_state("catchingup");
    state.mutable_nodes(1)->set_lag_bytes(1258291);
    state.mutable_nodes(1)->set_lag_ms(2300);
    state.mutable_nodes(1)->set_doing("cloning from node1, 41 %");
    state.mutable_nodes(2)->set_problem("the data folder belongs to another cluster; empty it\x1b[2J");
    state.mutable_nodes(2)->set_seen_ms(-1);
    state.mutable_nodes(2)->set_timeline(0);
    state.mutable_nodes(2)->set_lsn(0);
    state.mutable_nodes(2)->set_replication_quorum(false);
    const auto ran = Run{monitor.address()}({"show", "state"});
    CHECK("\n" + ran.out == R"(
Cluster default   epoch 7   timeline 3   no writable primary   failover: not ready (node2 and node3 are not in reach)
  NAME                   HOST:PORT            STATE       ASSIGNED   LSN         TLI  LAG          PRIO  QUORUM  SEEN
* node1                  127.0.0.1:6001       primary     primary    0/5001A28   3    -            100   yes     0.2s
  a-very-long-node-name  [2001:db8::17]:6002  catchingup  secondary  0/5001A28   3    1.2 MB 2.3s  90    yes     0.1s
  node3                  127.0.0.1:6003       secondary   secondary  -           -    0 B          80    no      never
waiting: for node2 or node3; start one of them, or: pgafctl perform failover --allow-data-loss
a-very-long-node-name: cloning from node1, 41 %
node3: the data folder belongs to another cluster; empty it [2J
)");
    state.set_has_writable_primary(true);
    CHECK_THAT(Run{monitor.address()}({"show", "state"}).out, Contains("   not healthy   "));
}

TEST_CASE("Colours: on terminals only, and NO_COLOR is honoured") {
    const FakeMonitor monitor;
    const auto coloured = Run{.monitors = monitor.address(), .terminal = true}({"show", "state"});
    CHECK_THAT(coloured.out, Contains("\x1b[32mhealthy\x1b[0m") && Contains("\x1b[1m* node1\x1b[0m  127.0.0.1:6001"));
    const auto plain =
        Run{.monitors = monitor.address(), .environment = {{"NO_COLOR", "1"}}, .terminal = true}({"show", "state"});
    CHECK_THAT(plain.out, !Contains("\x1b"));
}

TEST_CASE("The state as JSON: the keys are stable") {
    FakeMonitor monitor;
    monitor.state.mutable_nodes(2)->set_seen_ms(-1);
    const auto ran = Run{monitor.address()}({"show", "state", "-o", "json"});
    const auto state = Json::parse(ran.out);
    CHECK(keys(state) == std::vector<std::string>{"cluster", "system_id", "epoch", "term", "timeline", "phase",
                                                  "healthy", "primary", "has_writable_primary", "failover_ready",
                                                  "failover_candidates", "why_not_ready", "waiting", "standby_names",
                                                  "dbname", "last_event", "nodes"});
    CHECK(keys(state["nodes"][0]) == std::vector<std::string>{"name",
                                                              "host",
                                                              "port",
                                                              "incarnation",
                                                              "primary",
                                                              "state",
                                                              "assigned",
                                                              "lsn",
                                                              "timeline",
                                                              "lag_bytes",
                                                              "lag_ms",
                                                              "candidate_priority",
                                                              "replication_quorum",
                                                              "in_sync_rule",
                                                              "seen_ms",
                                                              "connected",
                                                              "healthy",
                                                              "maintenance",
                                                              "doing",
                                                              "problem",
                                                              "pg_version"});
    CHECK(state["epoch"] == 7);
    CHECK(state["failover_candidates"] == Json{"node2", "node3"});
    CHECK(state["nodes"][0]["lsn"] == "0/5001A28");
    CHECK(state["nodes"][0]["lag_bytes"].is_null());
    CHECK(state["nodes"][1]["lag_bytes"] == 0);
    CHECK(state["nodes"][1]["in_sync_rule"] == true);
    CHECK(state["nodes"][1]["seen_ms"] == 100);
    CHECK(state["nodes"][2]["seen_ms"].is_null());
    CHECK(state["nodes"][2]["port"] == 6003);
}

TEST_CASE("The same as YAML") {
    const FakeMonitor monitor;
    const auto ran = Run{monitor.address()}({"-o", "yaml", "show", "state"});
    CHECK_THAT(ran.out, Contains("cluster: default\nsystem_id: \"7300000000000000001\"\nepoch: 7\n") &&
                            Contains("failover_candidates:\n  - node2\n  - node3\nwhy_not_ready: \"\"\n") &&
                            Contains("nodes:\n  - name: node1\n    host: \"127.0.0.1\"\n    port: 6001\n") &&
                            Contains("    lsn: \"0/5001A28\"\n") && Contains("    lag_bytes: null\n") &&
                            Contains("standby_names: \"ANY 1 (\\\"pgaf_default_node2_0011\\\", "));
}

TEST_CASE("Watching shows each state that comes") {
    FakeMonitor monitor;
    monitor.status = {failed_precondition, "enough"};
    const Run run{monitor.address()};
    const auto table = run({"show", "state", "--watch"});
    CHECK(table.code == 1);
    CHECK_THAT(table.out, Contains("0.3s\n\nCluster default"));
    const auto json = run({"show", "state", "-w", "-o", "json"});
    CHECK(std::count(json.out.begin(), json.out.end(), '\n') == 2);
    CHECK(Json::parse(json.out.substr(0, json.out.find('\n')))["cluster"] == "default");
    CHECK_THAT(run({"show", "state", "-w", "-o", "yaml"}).out, Contains("\n---\ncluster: default"));
    const auto terminal = Run{.monitors = monitor.address(), .terminal = true}({"show", "state", "--watch"});
    CHECK_THAT(terminal.out, Catch::StartsWith("\x1b[H\x1b[2JCluster"));
}

TEST_CASE("Events, with the evidence of each decision") {
    ::setenv("TZ", "UTC", 1);
    FakeMonitor monitor;
    monitor.events = {event(1, "node1", "postmaster_exited", "PostgreSQL exited"),
                      event(2, "", "failover_started", "epoch 8: node1 is replaced")};
    monitor.events[1].set_evidence("exits 1 at boot 5f");
    monitor.events[1].set_rule("primary exited");
    const Run run{monitor.address()};
    CHECK("\n" + run({"show", "events"}).out == R"(
TIME                     EPOCH  NODE      EVENT                 MESSAGE
2026-01-31 12:00:00.124  7      node1     postmaster_exited     PostgreSQL exited
2026-01-31 12:00:00.125  7      -         failover_started      epoch 8: node1 is replaced [exits 1 at boot 5f]
)");
    const auto json = Json::parse(run({"show", "events", "-o", "json", "--limit", "5"}).out);
    CHECK(keys(json) == std::vector<std::string>{"cluster", "events"});
    CHECK(keys(json["events"][0]) == std::vector<std::string>{"seq", "time", "unix_ms", "cluster", "epoch", "node",
                                                              "kind", "rule", "message", "evidence"});
    CHECK(json["events"][1]["time"] == "2026-01-31T12:00:00.125Z");
    CHECK(monitor.requests().back() == "ListEvents cluster: \"default\" limit: 5");
    CHECK(run({"show", "events", "--since", "2026-01-31T12:00:00Z"}).code == 0);
    CHECK(monitor.requests().back() == "ListEvents cluster: \"default\" since_unix_ms: 1769860800000");
    CHECK(run({"show", "events", "--since", "yesterday"}).code == 2);
}

TEST_CASE("Following events: in the columns of the list, one by one") {
    ::setenv("TZ", "UTC", 1);
    FakeMonitor monitor;
    monitor.events = {event(1, "node1", "postmaster_exited", "PostgreSQL exited")};
    monitor.status = {failed_precondition, "enough"};
    const Run run{monitor.address()};
    CHECK("\n" + run({"show", "events", "--follow"}).out == R"(
TIME                     EPOCH  NODE      EVENT                 MESSAGE
2026-01-31 12:00:00.124  7      node1     postmaster_exited     PostgreSQL exited
)");
    const auto json = run({"show", "events", "-f", "-o", "json"});
    CHECK(Json::parse(json.out)["kind"] == "postmaster_exited");
}

TEST_CASE("The connection URI, by role") {
    FakeMonitor monitor;
    monitor.state.mutable_nodes(0)->set_primary(false);
    monitor.state.mutable_nodes(1)->set_primary(true);
    monitor.state.mutable_nodes(2)->set_host("::1");
    monitor.state.set_dbname("my app");
    const Run run{monitor.address()};
    CHECK(run({"show", "uri"}).out ==
          "postgresql://127.0.0.1:6002,127.0.0.1:6001,[::1]:6003/"
          "my%20app?target_session_attrs=read-write&connect_timeout=2\n");
    CHECK(run({"show", "uri", "--role", "replica"}).out ==
          "postgresql://127.0.0.1:6001,[::1]:6003,127.0.0.1:6002/"
          "my%20app?target_session_attrs=standby&connect_timeout=2\n");
    monitor.state.mutable_nodes(0)->set_assigned("dropped");
    const auto json = Json::parse(run({"show", "uri", "--role", "any", "-o", "json"}).out);
    CHECK(keys(json) == std::vector<std::string>{"cluster", "role", "uri"});
    CHECK(json["uri"] == "postgresql://127.0.0.1:6002,[::1]:6003/my%20app?target_session_attrs=any&connect_timeout=2");
    CHECK(run({"show", "uri", "--role", "writer"}).code == 2);
}

TEST_CASE("Settings and standby names") {
    const FakeMonitor monitor;
    const Run run{monitor.address()};
    CHECK(run({"show", "settings"}).out ==
          "NAME                  VALUE  MEANING\n"
          "number-sync-standbys  1      standbys that must confirm a commit\n"
          "node-timeout-ms       2500   silence after which a node counts as lost\n");
    const auto json = Json::parse(run({"show", "settings", "-o", "json"}).out);
    CHECK(json ==
          Json{{"cluster", "default"},
               {"settings",
                {{{"name", "number-sync-standbys"}, {"value", "1"}, {"meaning", "standbys that must confirm a commit"}},
                 {{"name", "node-timeout-ms"},
                  {"value", "2500"},
                  {"meaning", "silence after which a node counts as lost"}}}}});
    CHECK(run({"show", "standby-names"}).out == "ANY 1 (\"pgaf_default_node2_0011\", \"pgaf_default_node3_0011\")\n");
    CHECK(keys(Json::parse(run({"show", "standby-names", "-o", "json"}).out)) ==
          std::vector<std::string>{"cluster", "standby_names"});
}

}  // namespace
}  // namespace pgaf::ctl
