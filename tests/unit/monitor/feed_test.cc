// Live streams of the monitor over loopback: what they begin with, what follows, how they are taken up again, and that
// what they cost does not grow with those who look.
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "monitor/http/feed.h"
#include "tests/unit/monitor/coordinator_bench.h"
#include "tests/unit/monitor/keepers.h"

using namespace pgaf;
using namespace pgaf::test;
using Json = nlohmann::json;

namespace {

/// A client of a stream: reads it message by message.
class Reader {
  public:
    struct Message {
        std::string type;
        std::string id;
        Json data;
    };
    Reader(std::uint16_t port, const std::string& target, const std::string& headers = "") : socket_(context_) {
        socket_.connect({boost::asio::ip::address_v4::loopback(), port});
        const timeval limit{10, 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        boost::asio::write(socket_,
                           boost::asio::buffer("GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"));
        head = block("\r\n\r\n");
    }
    /// The next message; a comment has type ":". Empty: the stream has ended, or nothing comes.
    Message next() {
        Message message;
        std::istringstream lines(block("\n\n"));
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(":")) message.type = ":";
            if (line.starts_with("event: ")) message.type = line.substr(7);
            if (line.starts_with("id: ")) message.id = line.substr(4);
            if (line.starts_with("data: ")) message.data = Json::parse(line.substr(6));
            if (line.starts_with("retry: ")) message.type = "retry";
        }
        return message;
    }
    /// Reads on to the first message of this type for which it holds.
    Message next(
        const std::string& type, const std::function<bool(const Json&)>& holds = [](const Json&) { return true; }) {
        for (int i = 0; i < 2000; ++i) {
            Message message = next();
            if (message.type.empty() || (message.type == type && holds(message.data))) return message;
        }
        return {};
    }
    std::string head;

  private:
    std::string block(const std::string& end) {
        std::string text;
        char c = 0;
        while (!text.ends_with(end) && ::recv(socket_.native_handle(), &c, 1, 0) == 1) text.push_back(c);
        return text;
    }
    boost::asio::io_context context_;
    boost::asio::ip::tcp::socket socket_;
};

const std::string cluster_path = "/api/v1/clusters/default";
const std::string accept_stream = "Accept: text/event-stream\r\n";

void kill_postgres(FakeCluster& cluster, const char* node) {
    const std::lock_guard lock(cluster.shared.mutex);
    cluster.shared.nodes.kill_postgres(NodeName{node});
}

}  // namespace

TEST_CASE("a cluster's stream begins with what is, and goes on with what happens") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2", "node3"});
    Reader reader(monitor.http_port(), cluster_path + "/stream");
    CHECK_THAT(reader.head,
               Catch::StartsWith("HTTP/1.1 200 ") && Catch::Contains("Content-Type: text/event-stream\r\n"));
    CHECK(reader.next().type == "retry");
    const auto life = reader.next();
    CHECK(life.type == "alive");
    CHECK(life.data == Json{{"decides", true}, {"clusters", {"default"}}});
    const auto state = reader.next();
    CHECK(state.type == "state");
    CHECK(state.data["primary"] == "node1");
    CHECK(state.data["decides"] == true);
    const auto first = reader.next();
    CHECK(first.type == "event");
    CHECK(first.id == std::to_string(first.data["seq"].get<int>()));

    kill_postgres(cluster, "node1");
    CHECK(reader.next("event", [](const Json& event) { return event["kind"] == "failover_started"; }).type == "event");
    CHECK(reader.next("event", [](const Json& event) { return event["kind"] == "failover_finished"; }).type == "event");
    const auto after =
        reader.next("state", [](const Json& s) { return s["epoch"] == 2 && s["has_writable_primary"] == true; });
    CHECK(after.data["primary"] != "node1");
}

TEST_CASE("events alone, taken up where they stopped: none twice, none left out") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto before = monitor.state().last_event();
    std::vector<std::uint64_t> seen;
    {
        Reader reader(monitor.http_port(), cluster_path + "/events?limit=1", accept_stream);
        CHECK(reader.next().type == "retry");
        const auto newest = reader.next();
        CHECK(newest.type == "event");
        CHECK(newest.data["seq"] == before);
    }
    kill_postgres(cluster, "node1");
    REQUIRE(eventually([&] { return monitor.state().epoch() == 2 && monitor.state().has_writable_primary(); }));
    // The address is still the one that it began with.
    Reader again(monitor.http_port(), cluster_path + "/events?limit=1",
                 accept_stream + "Last-Event-ID: " + std::to_string(before) + "\r\n");
    const auto all = monitor.state().last_event();
    for (auto message = again.next("event"); message.type == "event"; message = again.next("event")) {
        seen.push_back(message.data["seq"]);
        CHECK(message.type != "state");
        if (seen.back() >= all) break;
    }
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t seq = before + 1; seq <= seen.back(); ++seq) wanted.push_back(seq);
    CHECK(seen == wanted);
    // While nothing happens a comment says that it is there.
    CHECK(again.next(":").type == ":");
}

TEST_CASE("who has seen more than there is has seen another store's events, and begins anew") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1"});
    const auto last = monitor.state().last_event();
    const auto seen = [](std::uint64_t seq) {
        return accept_stream + "Last-Event-ID: " + std::to_string(seq) + "\r\n";
    };
    Reader ahead(monitor.http_port(), cluster_path + "/events", seen(last + 1000));
    CHECK(ahead.next().type == "retry");
    CHECK(ahead.next().type == "gap");
    CHECK(ahead.next().type == "event");
    // Who has seen all there is has missed nothing.
    Reader level(monitor.http_port(), cluster_path + "/events", seen(last));
    CHECK(level.next().type == "retry");
    auto next = level.next();
    for (; next.type == "event"; next = level.next()) CHECK(next.data["seq"] > last);
    CHECK(next.type == ":");
}

TEST_CASE("what a stream can't be made of is said") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1"});
    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/other/stream"), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(http_get(monitor.http_port(), cluster_path + "/stream", "Last-Event-ID: yesterday\r\n"),
               Catch::StartsWith("HTTP/1.1 400 "));
    // Without a word about streams the events are a document.
    CHECK_THAT(http_get(monitor.http_port(), cluster_path + "/events"), Catch::Contains("application/json"));
}

TEST_CASE("the monitor's own stream tells of clusters that come, and ends with the monitor") {
    RunningMonitor monitor;
    Reader reader(monitor.http_port(), "/api/v1/stream");
    CHECK(reader.next("alive").data == Json{{"decides", true}, {"clusters", Json::array()}});
    FakeCluster cluster(monitor, {"node1"});
    CHECK(reader.next("alive", [](const Json& life) { return life["clusters"].size() == 1; }).type == "alive");
    CHECK(monitor.stop().has_value());
    CHECK(reader.next("never").type.empty());
}

TEST_CASE("states are made once for all who look, and not more often than they can use") {
    monitor::test::Bench bench;
    bench.add("node1");
    bench.settle();
    std::vector<std::function<void()>> strand;
    const auto run_strand = [&] {
        for (auto& work : std::exchange(strand, {})) work();
    };
    boost::asio::io_context context;
    monitor::Feed feed(context, [&](std::function<void()> work) { strand.push_back(std::move(work)); },
                       *bench.coordinator, {std::chrono::milliseconds(1), std::chrono::hours(1)});
    const ClusterName name{"default"};
    std::vector<std::shared_ptr<http::Stream>> streams;
    for (int i = 0; i < 20; ++i) {
        streams.push_back(feed.open(feed.begin(monitor::StreamKind::cluster, name, {}, false)));
        while (streams.back()->take()) {
        }
    }
    bench.settle();  // many steps
    // One message of all of them, the same for each client, and no more until it is asked for.
    context.poll();
    std::set<const std::string*> chunks;
    for (const auto& stream : streams) {
        std::vector<http::Stream::Chunk> got;
        while (auto chunk = stream->take()) got.push_back(chunk);
        REQUIRE(got.size() == 1);
        chunks.insert(got.back().get());
        CHECK(got.back()->starts_with("event: state\n"));
    }
    CHECK(chunks.size() == 1);
    CHECK(strand.empty());
    // A little later the clients' side asks again, and gets the newest one of what has happened since.
    bench.settle();
    context.restart();
    context.run_for(std::chrono::milliseconds(20));
    CHECK(strand.size() == 1);
    run_strand();
    context.restart();
    context.poll();
    CHECK(streams.front()->waiting() > 0);

    // With nobody left, nothing of it stays on the strand.
    for (const auto& stream : streams) stream->close();
    context.restart();
    context.run_for(std::chrono::milliseconds(20));
    run_strand();
    bench.settle();
    context.restart();
    context.poll();
    run_strand();  // forgets the watch
    bench.settle();
    context.restart();
    context.poll();
    CHECK(strand.empty());
}
