// What the monitor tells every keeper about its whole cluster, for those who ask a keeper: /cluster, /history, /config,
// and whether commits wait for its node. Nothing is decided on it: it may be old, and may be missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/digest.h"
#include "common/model/goal.h"
#include "common/model/report.h"
#include "common/reflect.h"

namespace pgaf {

/// More than these are left out: members by name, promotions and settings from the old end. So the message that carries
/// a view stays below 200 kB.
inline constexpr std::size_t view_members_max = 64;
inline constexpr std::size_t view_promotions_max = 64;
inline constexpr std::size_t view_settings_max = 64;
/// Of a text in it.
inline constexpr std::size_t view_text_max = 500;

struct ClusterMember {
    NodeName node;
    IncarnationId incarnation;
    std::string host;
    std::uint16_t port = 0;
    /// The last node that was told to be primary.
    bool primary = false;
    /// Commits wait for it, with or without others, by the newest sync rule.
    bool in_sync_rule = false;
    /// What its last report amounts to.
    NodeState state = NodeState::init;
    PgStatus status = PgStatus::unknown;
    /// A standby's WAL receiver streams.
    bool streaming = false;
    /// Its keeper has a session with the monitor.
    bool connected = false;
    Timeline timeline;
    Lsn lsn;
    /// WAL of the primary that it has not flushed yet; unset: not known.
    std::optional<std::uint64_t> lag_bytes;
    std::uint32_t candidate_priority = 0;
    friend bool operator==(const ClusterMember&, const ClusterMember&) = default;
};
BOOST_DESCRIBE_STRUCT(ClusterMember, (),
                      (node, incarnation, host, port, primary, in_sync_rule, state, status, streaming, connected,
                       timeline, lsn, lag_bytes, candidate_priority))

/// A timeline of the cluster, and how it came to be.
struct Promotion {
    Epoch epoch;
    Timeline timeline;
    /// The timeline that it left, and where; 0: the first one, or not known.
    Timeline parent;
    Lsn lsn;
    /// Wall clock of the monitor; 0: before what its event log has.
    std::int64_t unix_ms = 0;
    /// Who was promoted, and why; empty: not known.
    NodeName node;
    std::string reason;
    friend bool operator==(const Promotion&, const Promotion&) = default;
};
BOOST_DESCRIBE_STRUCT(Promotion, (), (epoch, timeline, parent, lsn, unix_ms, node, reason))

struct ClusterView {
    Epoch epoch;
    std::vector<ClusterMember> members;
    /// Oldest first.
    std::vector<Promotion> history;
    std::vector<SettingValue> settings;
    friend bool operator==(const ClusterView&, const ClusterView&) = default;
};
BOOST_DESCRIBE_STRUCT(ClusterView, (), (epoch, members, history, settings))

/// Null: there is none of that name.
[[nodiscard]] inline const ClusterMember* find_member(const ClusterView& view, const NodeName& node) {
    for (const ClusterMember& member : view.members)
        if (member.node == node) return &member;
    return nullptr;
}

}  // namespace pgaf
