// The cluster record: everything that the monitor must remember about a cluster. A plain value: it can be copied,
// compared, hashed, printed and stored as a whole. It holds no time of any clock and nothing volatile.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/digest.h"
#include "common/model/goal.h"
#include "common/model/report.h"
#include "common/model/stamp.h"
#include "common/model/sync_rule.h"
#include "common/reflect.h"

namespace pgaf::fsm {

/// What operators can set. Units in the names.
struct Settings {
    std::uint32_t heartbeat_ms = 500;
    std::uint32_t node_timeout_ms = 2500;
    /// Unset: 0 with up to two nodes, 1 with more.
    std::optional<std::uint32_t> number_sync_standbys;
    /// How long a booting cluster waits for the last primary before it elects.
    std::uint32_t boot_wait_ms = 10000;
    /// Largest lag, flush and replay, of a switchover's candidate.
    std::uint64_t switchover_max_lag_bytes = 16777216;
    /// How long a switchover may take before the old primary goes on.
    std::uint32_t switchover_timeout_ms = 5000;
    /// Automatic failovers allowed in ten minutes (R15).
    std::uint32_t failover_limit = 5;
    /// How long a primary goes on without the monitor and enough standbys (R8).
    std::uint32_t lease_ms = 5000;
    /// How long the server of a synchronous primary goes on when its keeper is dead or frozen (R8).
    std::uint32_t keeper_timeout_ms = 60000;
    /// Failover may lose commits, up to `maximum_lag_on_failover` bytes of WAL behind what is known of the primary
    /// (R7).
    bool asynchronous = false;
    std::uint64_t maximum_lag_on_failover = 1048576;
    friend bool operator==(const Settings&, const Settings&) = default;
};
BOOST_DESCRIBE_STRUCT(Settings, (),
                      (heartbeat_ms, node_timeout_ms, number_sync_standbys, boot_wait_ms, switchover_max_lag_bytes,
                       switchover_timeout_ms, failover_limit, lease_ms, keeper_timeout_ms, asynchronous,
                       maximum_lag_on_failover))

/// Incarnations that were dropped, and are remembered.
inline constexpr std::size_t dropped_kept = 64;

/// Where a cluster stands as a whole.
///   forming    no primary has been told yet
///   steady     a primary has been told, and is or may become writable
///   draining   switchover: the old primary makes a checkpoint while it still serves; no epoch has begun
///   electing   a new epoch is durable; fences are being collected (R4)
///   promoting  the choice is durable (R5); the chosen node is not yet writable
BOOST_DEFINE_ENUM_CLASS(Phase, forming, steady, draining, electing, promoting)

/// The highest a node has said, to notice amnesia (R4).
struct HighWater {
    Stamp promised;
    /// End of complete records, as a fenced or stopped incarnation reported it.
    WalPosition end;
    /// How its folder was last rebuilt, as the event log has it.
    std::string rebuilt;
    friend bool operator==(const HighWater&, const HighWater&) = default;
};

struct NodeRecord {
    NodeName name;
    IncarnationId incarnation;
    std::string host;
    std::uint16_t port = 0;
    std::uint32_t candidate_priority = 50;
    bool replication_quorum = true;
    bool maintenance = false;
    /// Maintenance was asked for and waits for the node to leave the rule or hand over.
    bool maintenance_wanted = false;
    bool drop_wanted = false;
    /// Forget the node without waiting for its answer.
    bool drop_forced = false;
    /// The newest goal given to this incarnation.
    Goal goal;
    HighWater said;
    /// How this incarnation was found to have lost WAL or promises: from then on nothing that it says counts (R4), and
    /// it is told to stop.
    std::string put_back;
    friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
};

/// An operator's long command under way.
struct Operation {
    std::uint64_t id = 0;
    std::string kind;
    NodeName node;
    bool allow_data_loss = false;
    friend bool operator==(const Operation&, const Operation&) = default;
};

/// R5: the best candidate lacks WAL that another fenced node has, and streams it from there before the choice is made.
struct FastForward {
    NodeName node;
    IncarnationId incarnation;
    NodeName source;
    IncarnationId source_incarnation;
    /// The source is down and is started as a standby of the candidate, for the candidate to stream from it.
    bool start_source = false;
    Lsn until;
    friend bool operator==(const FastForward&, const FastForward&) = default;
};

struct ClusterRecord {
    ClusterName name;
    SystemId system_id;
    Settings settings;
    Phase phase = Phase::forming;
    Epoch epoch;
    Term term;
    MonitorId monitor;
    std::map<NodeName, NodeRecord> nodes;

    /// The last node told to be primary, and the incarnation and epoch of that word.
    NodeName primary;
    IncarnationId primary_incarnation;
    Epoch primary_epoch;

    /// The longest lease that it may have been told and not taken back (R7, R8).
    Millis lease_told;
    /// Where its WAL was known to end when the election under way began (R7); empty timeline: not known.
    WalPosition primary_end;

    /// Rules in force, oldest first: one, or more while a change is under way (R3).
    std::vector<NamedRule> rules;
    RuleId last_rule;
    /// The newest rule as a doubt has left it (R11): its primary may have promised it under another id.
    RuleId rule_named;

    std::vector<HistoryEntry> history;
    /// Highest timeline id ever assigned or reported (R5).
    Timeline highest_timeline;
    WalPosition floor;
    /// Highest end of the nodes that completed R4 of the last election.
    WalPosition highest_end;

    /// Elections: the node chosen (phase promoting), the one preferred by a switchover, why it began.
    NodeName chosen;
    NodeName preferred;
    std::optional<FastForward> forward;
    std::string reason;
    bool planned = false;
    /// An operator's failover: the old primary is not to go on, though it may live.
    bool exclude_primary = false;
    /// What the primary may start after an exit (R9); given by a decision, part of its goal.
    std::optional<StartPermit> permit;
    std::uint64_t checkpoint_request = 0;
    std::optional<Operation> operation;
    std::uint64_t failovers = 0;
    /// Incarnations that were dropped, newest last, bounded: they are turned away.
    std::vector<IncarnationId> dropped;

    /// The process that counts the record's commits now, and its count; how far the ones before it had come, and those
    /// that it was rebuilt from (R11).
    StoreMark mark;
    std::vector<StoreMark> earlier;
    /// Why this record may not be the newest that keepers have heard of (R11): then nothing is decided, and no goal is
    /// sent before it is settled. Empty when there is no doubt.
    std::string doubt;
    /// It was settled, and not everybody has promised something under it since: what is heard now may be promised to
    /// another monitor since then, so the record is rebuilt from it, and not just confirmed.
    bool must_rebuild = false;

    friend bool operator==(const ClusterRecord&, const ClusterRecord&) = default;
};

}  // namespace pgaf::fsm

namespace pgaf::fsm {
BOOST_DESCRIBE_STRUCT(HighWater, (), (promised, end, rebuilt))
BOOST_DESCRIBE_STRUCT(NodeRecord, (),
                      (name, incarnation, host, port, candidate_priority, replication_quorum, maintenance,
                       maintenance_wanted, drop_wanted, drop_forced, goal, said, put_back))
BOOST_DESCRIBE_STRUCT(Operation, (), (id, kind, node, allow_data_loss))
BOOST_DESCRIBE_STRUCT(FastForward, (), (node, incarnation, source, source_incarnation, start_source, until))
BOOST_DESCRIBE_STRUCT(ClusterRecord, (),
                      (name, system_id, settings, phase, epoch, term, monitor, nodes, primary, primary_incarnation,
                       primary_epoch, lease_told, primary_end, rules, last_rule, rule_named, history, highest_timeline,
                       floor, highest_end, chosen, preferred, forward, reason, planned, exclude_primary, permit,
                       checkpoint_request, operation, failovers, dropped, mark, earlier, doubt, must_rebuild))
}  // namespace pgaf::fsm
