// What load balancers, orchestrators and people ask a keeper over HTTP: which path answers what, and with which code.
// From what the loop knows, never by a query. Paths and codes are those that recipes for HAProxy, Kubernetes and
// pgbouncer already use; the server itself (HEAD, OPTIONS, bounds) is common/http.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/http/server.h"
#include "keeper/http/conditions.h"

namespace pgaf::keeper {

/// What answers need beside the loop's view.
struct Sources {
    Tags tags;
    /// Makes what /metrics answers.
    std::function<std::string(const LoopView&)> metrics;
};

[[nodiscard]] http::Response answer(const LoopView& view, const http::Request& request, const Sources& sources);

/// Every path that is answered, for the documentation's test.
[[nodiscard]] std::vector<std::string> paths();

}  // namespace pgaf::keeper
