// The monitor's HTTP side: health checks, metrics, clusters and events as JSON. Runs on a thread of its own and asks
// the strand, so that a scrape never stands in the way of a decision, and a strand that no longer answers is seen.
#pragma once

#include <chrono>

#include "common/http/server.h"
#include "monitor/http/metrics.h"
#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace pgaf::monitor {

/// Coordinator and metrics are touched on the strand only. A request waits at most `patience` for the strand, then it
/// is answered with 503.
[[nodiscard]] http::Handler make_routes(Post post, Coordinator& coordinator, Metrics& metrics,
                                        std::chrono::milliseconds patience = std::chrono::seconds(2));

}  // namespace pgaf::monitor
