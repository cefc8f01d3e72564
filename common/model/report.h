// What a keeper tells the monitor about its node. A plain value: facts, no wishes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/goal.h"
#include "common/model/stamp.h"
#include "common/model/sync_rule.h"
#include "common/reflect.h"

namespace pgaf {

/// What the local PostgreSQL is doing.
///   unknown   the keeper has not found out yet (just started, or the launcher is out of reach)
///   absent    there is no data folder, or a clone or rewind of it is unfinished
///   stopped   exited in the sense of R13: the postmaster and all that it left behind are gone
///   starting  the postmaster lives and takes no connections yet
///   running   connections work
///   stopping  on its way down
///   stuck     the postmaster lives but answers no query, or gives no new session
BOOST_DEFINE_ENUM_CLASS(PgStatus, unknown, absent, stopped, starting, running, stopping, stuck)

/// A fork in a node's own timeline history file: `timeline` ended at `end`, the next entry continues it.
struct TimelineFork {
    Timeline timeline;
    Lsn end;
    friend bool operator==(const TimelineFork&, const TimelineFork&) = default;
};
BOOST_DESCRIBE_STRUCT(TimelineFork, (), (timeline, end))

/// A standby's WAL receiver.
struct ReceiverView {
    bool streaming = false;
    /// The node it streams from; empty when it is none of the cluster.
    NodeName upstream;
    /// Age of the last message from the upstream, when the report was made.
    Millis last_message_age;
    friend bool operator==(const ReceiverView&, const ReceiverView&) = default;
};
BOOST_DESCRIBE_STRUCT(ReceiverView, (), (streaming, upstream, last_message_age))

/// One walsender of this server that serves a node of the cluster.
struct WalsenderView {
    IncarnationId incarnation;
    /// state = 'streaming' in pg_stat_replication.
    bool streaming = false;
    Lsn flushed;
    Lsn replayed;
    Millis replay_lag;
    friend bool operator==(const WalsenderView&, const WalsenderView&) = default;
};
BOOST_DESCRIBE_STRUCT(WalsenderView, (), (incarnation, streaming, flushed, replayed, replay_lag))

struct Report {
    ClusterName cluster;
    NodeName node;
    IncarnationId incarnation;
    BootId boot;
    /// Counts the reports of one boot.
    std::uint64_t seq = 0;
    /// The stamp promised when the report was made.
    Stamp promised;
    /// The promised goal itself: in the first report of a session and when the promise is none of this session's goals
    /// (R11). Of an incarnation before when this one has not accepted any.
    std::optional<Goal> goal;
    /// The furthest that this node has heard of the record (R11).
    StoreMark heard;

    PgStatus status = PgStatus::unknown;
    /// Running as a standby (pg_is_in_recovery), or the folder says it would (standby.signal).
    bool in_recovery = false;
    /// Running read-write and open to clients.
    bool writable = false;
    /// Postmaster exits seen since this keeper run began, starting at 1 when it found PostgreSQL stopped.
    std::uint64_t exits = 0;
    /// The last exit was clean: pg_control says "shut down" (or "shut down in recovery").
    bool clean_shutdown = false;
    /// The launcher was asked to end (machine shuts down): hand over, then let it go.
    bool leaving = false;

    SystemId system_id;
    /// PG_VERSION_NUM of the server programs, for example 150018.
    std::uint32_t pg_version = 0;
    Timeline timeline;
    /// Parents of `timeline`, oldest first, from its history file.
    std::vector<TimelineFork> forks;

    /// Fenced in the sense of the protocol at promised.epoch; then end, replayed and complete are exact.
    bool fenced = false;
    /// Flushed end of WAL (a primary: its flush position; stopped: end of the last complete record). 0: not known.
    Lsn end;
    Lsn replayed;
    /// End of the last complete record at or before `end`. 0: not known.
    Lsn complete;

    /// The newest rule whose R3 proof is in (a promoted primary: the rule that it opened with). 0: none.
    RuleId rule_applied;
    /// The newest rule that this incarnation has promised to apply, from its state file (R3). 0: none.
    RuleId rule_promised;
    /// The timeline that pg_control's last checkpoint lies on.
    Timeline checkpoint_timeline;
    std::uint64_t checkpoint_done = 0;

    ReceiverView receiver;
    std::vector<WalsenderView> standbys;
    /// Peers that have a physical slot here.
    std::vector<NodeName> slots;

    /// How this incarnation's data folder was last rebuilt (cloned, rewound, freed of a torn end), why, and which WAL
    /// was kept aside where (R12); empty: it was not.
    std::string rebuilt;
    /// When and why this keeper or its launcher last closed or stopped the server for want of a lease (R8), until the
    /// monitor has heard of it and the server is open again; empty: nothing to tell.
    std::string self_fenced;
    /// That this keeper has resumed replay, which somebody had paused, and why; until the monitor has heard of it.
    std::string replay_resumed;
    /// That the disk takes no writes, and how that shows; empty when it does (detection, evidence 5).
    std::string disk;
    /// The step under way, with its progress, for people: "cloning from node1, 41 %". Empty when idle.
    std::string doing;
    /// Why the goal can't be reached, with the remedy; empty when nothing is wrong.
    std::string problem;

    friend bool operator==(const Report&, const Report&) = default;
};
BOOST_DESCRIBE_STRUCT(Report, (),
                      (cluster, node, incarnation, boot, seq, promised, goal, heard, status, in_recovery, writable,
                       exits, clean_shutdown, leaving, system_id, pg_version, timeline, forks, fenced, end, replayed,
                       complete, rule_applied, rule_promised, checkpoint_timeline, checkpoint_done, receiver, standbys,
                       slots, rebuilt, self_fenced, replay_resumed, disk, doing, problem))

/// What a keeper introduces itself with when its session opens. The first report follows at once.
struct Hello {
    ClusterName cluster;
    NodeName node;
    IncarnationId incarnation;
    BootId boot;
    /// Where other nodes and clients reach this PostgreSQL.
    std::string host;
    std::uint16_t port = 0;
    /// Wanted when the node is new; afterwards the record's value holds.
    std::uint32_t candidate_priority = 50;
    bool replication_quorum = true;
    SystemId system_id;
    std::string keeper_version;
    friend bool operator==(const Hello&, const Hello&) = default;
};
BOOST_DESCRIBE_STRUCT(Hello, (),
                      (cluster, node, incarnation, boot, host, port, candidate_priority, replication_quorum, system_id,
                       keeper_version))

/// What a probe of another node's PostgreSQL port found.
///   refused  nothing listens: the postmaster is gone, its machine lives
///   silent   no answer within the probe's limit
///   answers  a PostgreSQL answered the SSL request
BOOST_DEFINE_ENUM_CLASS(PortState, refused, silent, answers)

/// A keeper's answer to the monitor's request to look at another node (detection, evidence 2 and 3).
struct ProbeResult {
    std::uint64_t probe = 0;
    NodeName target;
    PortState port = PortState::silent;
    /// The receiver's view at that moment, observed freshly.
    ReceiverView receiver;
    friend bool operator==(const ProbeResult&, const ProbeResult&) = default;
};
BOOST_DESCRIBE_STRUCT(ProbeResult, (), (probe, target, port, receiver))

}  // namespace pgaf
