// Strong types for identities, counters and positions. Knows nothing of the network, PostgreSQL or the clock.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace pgaf {

/// A value that can't be mixed up with another of the same representation.
template <class Tag, class Rep>
struct Strong {
    using rep = Rep;
    Rep v{};
    friend auto operator<=>(const Strong&, const Strong&) = default;
    [[nodiscard]] bool empty() const { return v == Rep{}; }
};

/// The fencing token of a cluster: one more for each election or planned switchover.
using Epoch = Strong<struct EpochTag, std::uint64_t>;
/// One more each time a monitor process becomes the one that decides.
using Term = Strong<struct TermTag, std::uint64_t>;
/// Version of a node's goal within an (epoch, term).
using Version = Strong<struct VersionTag, std::uint64_t>;
/// Names a sync rule of the record; one more for each rule that the record ever held.
using RuleId = Strong<struct RuleIdTag, std::uint64_t>;
/// PostgreSQL timeline id; 0 means "not known".
using Timeline = Strong<struct TimelineTag, std::uint32_t>;

/// The name that operators use for a cluster, at most 16 characters of a-z, 0-9 and '-'.
using ClusterName = Strong<struct ClusterNameTag, std::string>;
/// The name that operators use for a node, at most 24 characters of a-z, 0-9 and '-'.
using NodeName = Strong<struct NodeNameTag, std::string>;
/// One data folder of a node: 16 random hex digits (protocol: "node, incarnation").
using IncarnationId = Strong<struct IncarnationTag, std::string>;
/// One run of a keeper process: 16 random hex digits.
using BootId = Strong<struct BootTag, std::string>;
/// One monitor process that decides: 16 random hex digits.
using MonitorId = Strong<struct MonitorTag, std::string>;
/// PostgreSQL's system identifier, decimal; empty when there is no data folder.
using SystemId = Strong<struct SystemIdTag, std::string>;

/// Milliseconds of a clock that runs on while the machine sleeps (CLOCK_BOOTTIME). Never wall time.
using Millis = Strong<struct MillisTag, std::int64_t>;

/// Whether a text may name a cluster (limit 16) or a node (limit 24): a-z first, then a-z, 0-9 and '-', no '-' at the
/// end.
[[nodiscard]] bool is_valid_cluster_name(const std::string& text);
[[nodiscard]] bool is_valid_node_name(const std::string& text);

/// 16 random hex digits from the operating system's generator.
[[nodiscard]] std::string random_id();

/// application_name of a member: pgaf_<cluster>_<node>_<incarnation> (R14). Always under 64 bytes.
[[nodiscard]] std::string application_name(const ClusterName&, const NodeName&, const IncarnationId&);
/// Physical slot that serves a node: pgaf_<node>, with '-' written as '_'.
[[nodiscard]] std::string slot_name(const NodeName&);

}  // namespace pgaf

template <class Tag, class Rep>
struct std::hash<pgaf::Strong<Tag, Rep>> {
    std::size_t operator()(const pgaf::Strong<Tag, Rep>& s) const { return std::hash<Rep>{}(s.v); }
};
