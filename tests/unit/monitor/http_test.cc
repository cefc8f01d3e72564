// The monitor's HTTP side over loopback: health, JSON, and the files of the status page.
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "monitor/http/routes.h"
#include "tests/unit/monitor/keepers.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

nlohmann::json body(const std::string& answer) {
    return nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
}

}  // namespace

TEST_CASE("health, clusters and events as JSON") {
    RunningMonitor monitor;
    CHECK_THAT(http_get(monitor.http_port(), "/healthz"), Catch::StartsWith("HTTP/1.1 200 "));
    CHECK_THAT(http_get(monitor.http_port(), "/readyz"), Catch::StartsWith("HTTP/1.1 200 "));
    CHECK(body(http_get(monitor.http_port(), "/api/v1/clusters"))["clusters"].empty());
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto clusters = body(http_get(monitor.http_port(), "/api/v1/clusters"))["clusters"];
    REQUIRE(clusters.size() == 1);
    const auto one = body(http_get(monitor.http_port(), "/api/v1/clusters/default"));
    CHECK(one["healthy"] == true);
    CHECK(one["decides"] == true);
    CHECK(one["primary"] == "node1");
    CHECK(one["epoch"] == 1);
    CHECK(one["nodes"][1]["state"] == "secondary");
    CHECK_THAT(one["nodes"][1]["lsn"].get<std::string>(), Catch::StartsWith("0/3"));
    CHECK(one["nodes"][0]["lag_bytes"].is_null());
    CHECK(one["nodes"][1]["lag_bytes"].is_number());
    const auto events = body(http_get(monitor.http_port(), "/api/v1/clusters/default/events?limit=2"))["events"];
    REQUIRE(events.size() == 2);
    CHECK(events[1]["seq"] == monitor.state().last_event());
    CHECK(body(http_get(monitor.http_port(), "/api/v1/clusters/default/events?after=2"))["events"][0]["seq"] == 3);

    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/default/events?limit=many"),
               Catch::StartsWith("HTTP/1.1 400 "));
    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/other"), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/default/x"), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(http_get(monitor.http_port(), "/nothing"), Catch::StartsWith("HTTP/1.1 404 "));
}

TEST_CASE("a main loop that does not answer is a failed health check, not a request that hangs") {
    monitor::MemoryStore store;
    monitor::Metrics metrics;
    monitor::Coordinator coordinator(
        {store, metrics, [] { return Millis{1}; }, [](Millis) {}, [](const std::string&) {}}, {}, {});
    std::vector<std::function<void()>> held;
    boost::asio::io_context context;
    const monitor::HttpCounts counts;
    const auto routes =
        monitor::make_routes({context, [&](std::function<void()> work) { held.push_back(std::move(work)); },
                              coordinator, metrics, counts, std::chrono::milliseconds(20)});
    CHECK(routes({"GET", "/healthz", {}}).status == 503);
    REQUIRE(held.size() == 1);
    // The page that shows such trouble can be loaded in it.
    CHECK(routes({"GET", "/", {}}).status == 200);
    held[0]();  // the late answer finds nobody, and does no harm
}

TEST_CASE("the status page comes with what keeps a browser to it") {
    RunningMonitor monitor;
    const auto port = monitor.http_port();
    const auto page = http_get(port, "/");
    CHECK_THAT(page, Catch::StartsWith("HTTP/1.1 200 OK\r\n") &&
                         Catch::Contains("Content-Type: text/html; charset=utf-8\r\n") &&
                         Catch::Contains("Content-Security-Policy: default-src 'none'; script-src 'self';") &&
                         Catch::Contains("frame-ancestors 'none'\r\n") &&
                         Catch::Contains("X-Content-Type-Options: nosniff\r\n") &&
                         Catch::Contains("Cache-Control: no-cache\r\n") && Catch::EndsWith("</html>\n"));
    const auto at = page.find("ETag: ") + 6;
    const std::string etag = page.substr(at, page.find("\r\n", at) - at);
    REQUIRE(etag.size() > 10);
    const auto kept = http_get(port, "/", "If-None-Match: W/" + etag + "\r\n");
    CHECK_THAT(kept,
               Catch::StartsWith("HTTP/1.1 304 ") && Catch::Contains("ETag: " + etag) && Catch::EndsWith("\r\n\r\n"));
    CHECK_THAT(http_get(port, "/", "If-None-Match: \"other\"\r\n"), Catch::StartsWith("HTTP/1.1 200 "));
    // All that the page names is there, with the type that nosniff asks for, and it names nothing of another host.
    for (const char* path :
         {"/page/page.css", "/page/main.js", "/page/live.js", "/page/verdict.js", "/page/topology.js", "/page/node.js",
          "/page/events.js", "/page/text.js", "/page/icon.svg"}) {
        INFO(path);
        const auto file = http_get(port, path);
        CHECK_THAT(file, Catch::StartsWith("HTTP/1.1 200 "));
        CHECK_THAT(file, Catch::Contains("Content-Type: text/") || Catch::Contains("Content-Type: image/svg+xml"));
        CHECK_THAT(file, !Catch::Contains("https://"));
        CHECK_THAT(file, !Catch::Contains("innerHTML"));
    }
    CHECK_THAT(page, !Catch::Contains("://"));
    CHECK_THAT(http_get(port, "/page/../main.js"), Catch::StartsWith("HTTP/1.1 404 "));
}
