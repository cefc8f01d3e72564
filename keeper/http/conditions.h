// Which conditions hold on a node, and what a query adds to them: what the paths of load balancers ask. Pure functions
// of what the loop knows and of the node's tags; knows nothing of paths, codes and documents.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "keeper/service/loop.h"

namespace pgaf::keeper {

/// The operator's words about this node, from its configuration.
using Tags = std::map<std::string, std::string>;
using Query = std::map<std::string, std::string>;

/// The loop has to have come round within this: a look at PostgreSQL is given up well before, or reads WAL.
inline constexpr Millis liveness_limit{15'000};
/// Lag, in bytes of WAL, up to which a standby is ready; `?lag=` says otherwise.
inline constexpr std::uint64_t readiness_lag_bytes = 16 * 1024 * 1024;

/// The role of the promised goal.
[[nodiscard]] Role goal_role(const LoopView& view);
/// Primary of the newest epoch that this keeper knows, not fenced, not closed.
[[nodiscard]] bool is_primary(const LoopView& view);
/// A standby that runs and takes readers.
[[nodiscard]] bool is_standby(const LoopView& view);
/// The same, and not marked as one to be left out by load balancers.
[[nodiscard]] bool is_replica(const LoopView& view, const Tags& tags);
/// Whether commits wait for this node, by the newest sync rule that the monitor has told; nothing: it has told none
/// that this incarnation of the node is part of.
[[nodiscard]] std::optional<bool> in_sync_rule(const LoopView& view);
/// Primary, or a standby that streams with its lag under the limit, or with a limit of the query's own, and that the
/// monitor does not turn away.
[[nodiscard]] bool is_ready(const LoopView& view, const Query& query);
/// Bytes of WAL that it has not replayed yet of what is known to exist; nothing: not known, since neither its upstream
/// nor the monitor has been heard of late.
[[nodiscard]] std::optional<std::uint64_t> lag(const LoopView& view);
/// Whether the node has every tag that a query asks for by tag_KEY.
[[nodiscard]] bool has_tags(const Tags& tags, const Query& query);

/// What a query adds to a condition on a standby: `lag`, `replication_state`, `tag_KEY`. Other keys add nothing, since
/// recipes carry keys of their own.
struct Narrowed {
    bool holds = true;
    /// What is wrong with the query itself; empty: nothing.
    std::string wrong;
};
[[nodiscard]] Narrowed narrow(const LoopView& view, const Tags& tags, const Query& query);

/// "1000", "16kB", "10MB", "1GB" as bytes; nothing when it is none of that.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(const std::string& text);

}  // namespace pgaf::keeper
