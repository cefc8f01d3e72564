// What load balancers, orchestrators and people ask a keeper over HTTP: answered from what the loop knows, never by a
// query. Paths and codes are those that recipes for HAProxy, Kubernetes and pgbouncer already use.
#pragma once

#include <optional>
#include <string>

#include "common/http/server.h"
#include "common/ids.h"
#include "keeper/service/loop.h"

namespace pgaf::keeper {

/// The loop has to have come round within this: a look at PostgreSQL is given up well before.
inline constexpr Millis liveness_limit{15'000};
/// Lag, in bytes of WAL, up to which a standby is ready; `?lag=` says otherwise.
inline constexpr std::uint64_t readiness_lag_bytes = 16 * 1024 * 1024;

[[nodiscard]] http::Response answer(const LoopView& view, const http::Request& request);

/// "1000", "16kB", "10MB", "1GB" as bytes; nothing when it is none of that.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(const std::string& text);

/// Prometheus' text format.
[[nodiscard]] std::string metrics_text(const LoopView& view);

}  // namespace pgaf::keeper
