// What the monitor wants of one node. A plain value; level-triggered: the keeper compares it with what it observes
// and does the next step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/digest.h"
#include "common/model/stamp.h"
#include "common/model/sync_rule.h"
#include "common/reflect.h"

namespace pgaf {

/// The node states shown to people, in the words that PostgreSQL HA users know.
BOOST_DEFINE_ENUM_CLASS(NodeState, init, single, wait_primary, primary, catchingup, secondary, draining, demoted,
                        report_lsn, fast_forward, prepare_promotion, maintenance, dropped)

/// What a goal asks for.
///   wait          observe only; start and stop nothing
///   primary       be the primary of the goal's epoch (initialise, continue, start or promote, whichever is missing)
///   standby       follow `upstream` (clone, rewind or stream, whichever is missing)
///   fence         promise the epoch; a standby ends its receiver and reports its end of WAL; a primary goes on (R4)
///   fast_forward  stream from `upstream` up to `stream_until`, then be fenced again
///   stop          stop PostgreSQL (`stop_mode`), report the end of WAL
///   maintenance   stop PostgreSQL and leave it alone until the operator says otherwise
///   dropped       no longer part of the cluster: stop PostgreSQL, never start it
BOOST_DEFINE_ENUM_CLASS(Role, wait, primary, standby, fence, fast_forward, stop, maintenance, dropped)

BOOST_DEFINE_ENUM_CLASS(StopMode, fast, immediate)

/// Another node, or this one: what replication between nodes needs to know of it, and what operators have set (R11).
struct Peer {
    NodeName node;
    IncarnationId incarnation;
    std::string host;
    std::uint16_t port = 0;
    std::uint32_t candidate_priority = 50;
    bool replication_quorum = true;
    bool maintenance = false;
    friend bool operator==(const Peer&, const Peer&) = default;
};
BOOST_DESCRIBE_STRUCT(Peer, (), (node, incarnation, host, port, candidate_priority, replication_quorum, maintenance))

/// A timeline of the cluster's history: it begins where its parent ends.
struct HistoryEntry {
    Timeline timeline;
    Epoch epoch;
    /// Where this timeline left its parent; unset until the first report of it (R5).
    std::optional<Lsn> fork;
    /// The promise made with the assignment: the fork is at or after this point of the parent.
    Lsn floor;
    friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};
BOOST_DESCRIBE_STRUCT(HistoryEntry, (), (timeline, epoch, fork, floor))

/// Permission to start a stopped PostgreSQL read-write: only for this keeper run and this many exits seen in it (R9).
struct StartPermit {
    BootId boot;
    std::uint64_t exits = 0;
    friend bool operator==(const StartPermit&, const StartPermit&) = default;
};
BOOST_DESCRIBE_STRUCT(StartPermit, (), (boot, exits))

struct Goal {
    Stamp stamp;
    NodeName node;
    /// The incarnation that this goal is for; a keeper of any other refuses it (R2).
    IncarnationId incarnation;
    Role role = Role::wait;
    /// The word shown to people as the assigned state.
    NodeState assigned = NodeState::init;

    // For a primary.
    /// Create the cluster here (initdb, or adopt the data folder that exists): the first node only.
    bool initialise = false;
    /// The timeline to run on: assigned before a promotion (R5); 0 before the first one is known.
    Timeline timeline;
    /// The newest sync rule, and its id. On a promotion it takes effect at once (R6), otherwise by R3.
    NamedRule rule;
    std::optional<StartPermit> permit;
    /// Nobody can replace this node (the only one, or degraded with no promotable standby): R8, R9.
    bool irreplaceable = false;
    /// R8: how long it may go on when neither the monitor nor enough standbys have answered, counted on CLOCK_BOOTTIME
    /// from when what they answered was said; 0: no limit. Also in the fence of a primary.
    Millis lease;
    /// R8: how long its server may go on when its keeper is dead or frozen.
    Millis keeper_timeout;
    /// A rule in force acknowledges commits without a standby and has members (R7): every one of them has to answer,
    /// and at the end of its lease the server stops instead of closing.
    bool asynchronous = false;
    /// Make a checkpoint and report this number as `checkpoint_done`; 0: none wanted.
    std::uint64_t checkpoint_request = 0;

    // For a standby, and for fast_forward.
    NodeName upstream;
    Lsn stream_until;
    /// The upstream has reported a checkpoint on its timeline, so pg_rewind sees the truth.
    bool rewind_allowed = false;

    // For stop.
    StopMode stop_mode = StopMode::fast;

    // For every role.
    /// All nodes of the cluster, this one too.
    std::vector<Peer> peers;
    std::vector<HistoryEntry> history;
    /// system identifier of the cluster; empty before it is known.
    SystemId system_id;
    /// Why nothing that this incarnation says counts (R4); empty when it counts.
    std::string put_back;
    /// What the node has said it had promised to another process of the monitor, when this is to bind it (R11): one
    /// that has promised something else to another since refuses the goal. No version: it is for whoever has promised
    /// less.
    Stamp after;
    std::vector<SettingValue> settings;
    RecordDigest digest;

    friend bool operator==(const Goal&, const Goal&) = default;
};
BOOST_DESCRIBE_STRUCT(Goal, (),
                      (stamp, node, incarnation, role, assigned, initialise, timeline, rule, permit, irreplaceable,
                       lease, keeper_timeout, asynchronous, checkpoint_request, upstream, stream_until, rewind_allowed,
                       stop_mode, peers, history, system_id, put_back, after, settings, digest))

/// The member of `peers` with that name; null when there is none.
[[nodiscard]] inline const Peer* find_peer(const std::vector<Peer>& peers, const NodeName& node) {
    for (const Peer& peer : peers)
        if (peer.node == node) return &peer;
    return nullptr;
}
[[nodiscard]] inline const Peer* find_peer(const std::vector<Peer>& peers, const IncarnationId& incarnation) {
    for (const Peer& peer : peers)
        if (peer.incarnation == incarnation) return &peer;
    return nullptr;
}

}  // namespace pgaf
