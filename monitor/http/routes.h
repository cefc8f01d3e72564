// The monitor's HTTP side: the status page, health checks, metrics, clusters and events as JSON and as streams. Runs on
// a thread of its own and asks the strand, so that a scrape never stands in the way of a decision, and a strand that no
// longer answers is seen.
#pragma once

#include <chrono>

#include "common/http/server.h"
#include "monitor/http/feed.h"
#include "monitor/http/metrics.h"
#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace pgaf::monitor {

/// Coordinator and metrics are touched on the strand only. All of it outlives the handler.
struct RoutesWorld {
    /// Of the server that the routes are for.
    boost::asio::io_context& context;
    Post post;
    Coordinator& coordinator;
    Metrics& metrics;
    const HttpCounts& counts;
    /// A request waits at most this long for the strand, then it is answered with 503.
    std::chrono::milliseconds patience = std::chrono::seconds(2);
    FeedTimes times = {};
};

[[nodiscard]] http::Handler make_routes(RoutesWorld world);

}  // namespace pgaf::monitor
