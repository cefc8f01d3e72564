// The heart of pgaf: decides for one cluster. Pure: no I/O, no clock, no thread, no lock, no log.
//
// step(input, now) in; Output out. The caller makes `Output` durable first and sends afterwards (R1):
//   1. if `persist`: store record() and `log` in one transaction;
//   2. then send `goals` and `probes`, answer `replies`.
// The caller calls step(Tick{}, now) at the time `wake_at` (or later).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/model/goal.h"
#include "common/model/report.h"
#include "common/reflect.h"
#include "monitor/fsm/record.h"

namespace pgaf::fsm {

// ---- what goes in -------------------------------------------------------------------------------------------------

/// A keeper's session opened. A later session of a node replaces an earlier one.
struct SessionOpened {
    Hello hello;
};
/// A keeper's session ended (stream reset or closed).
struct SessionClosed {
    NodeName node;
    BootId boot;
};
struct ReportReceived {
    Report report;
};
struct ProbeAnswered {
    NodeName by;
    ProbeResult result;
};
/// A command of an operator. `kind`: switchover, failover, promotion, enable-maintenance, disable-maintenance,
/// drop-node, set-node, set-cluster, rebuild.
struct Command {
    std::uint64_t id = 0;
    std::string kind;
    NodeName node;
    bool allow_data_loss = false;
    bool allow_failover = false;
    bool force = false;
    bool dry_run = false;
    std::optional<std::uint32_t> candidate_priority;
    std::optional<bool> replication_quorum;
    std::string setting;
    std::string value;
};
/// Time has passed.
struct Tick {};

using Input = std::variant<SessionOpened, SessionClosed, ReportReceived, ProbeAnswered, Command, Tick>;

// ---- what comes out -----------------------------------------------------------------------------------------------

/// An entry of the event log. The service adds sequence number and wall time.
struct LogEntry {
    Epoch epoch;
    NodeName node;
    /// A stable word: failover_started, node_promoted, node_lost, ...
    std::string kind;
    /// The row of the decision table; empty for what is no decision.
    std::string rule;
    std::string message;
    std::string evidence;
};

/// R15 counts the failovers of this long, but for those that an operator has asked for.
inline constexpr Millis failover_window{600'000};
[[nodiscard]] bool is_automatic_failover(const LogEntry& entry);

/// Ask `by` to look at `target`'s PostgreSQL.
struct ProbeRequest {
    NodeName by;
    std::uint64_t probe = 0;
    NodeName target;
    std::string host;
    std::uint16_t port = 0;
    Millis limit;
};

/// Answer to a command: at once when refused or done at once; later, when a long one has ended.
struct Reply {
    std::uint64_t command = 0;
    bool done = false;  ///< false: accepted, goes on; another reply follows
    bool ok = false;
    std::string message;
    std::optional<Millis> write_pause;
};

/// A finished failover or switchover, for the metrics.
struct Takeover {
    std::string kind;  ///< failover, switchover
    std::string reason;
    Millis detection;  ///< from the last sign of life (unplanned) or the command to the new epoch
    Millis fencing;    ///< from the new epoch to the choice
    Millis promotion;  ///< from the choice to a writable primary
};

/// The session with this node is to end with this message (wrong cluster, dropped, unknown name, ...).
struct TurnAway {
    NodeName node;
    BootId boot;
    std::string message;
};

struct Output {
    bool persist = false;
    std::vector<LogEntry> log;
    std::vector<Goal> goals;
    std::vector<ProbeRequest> probes;
    std::vector<Reply> replies;
    std::vector<Takeover> takeovers;
    std::vector<TurnAway> turned_away;
    std::optional<Millis> wake_at;
};

// ---- the heart ----------------------------------------------------------------------------------------------------

/// What is known of a node from its session: volatile, lost with the monitor process.
struct NodeView {
    bool connected = false;
    BootId boot;
    /// This run has answered to something that it was told; runs of the node's keeper that were heard before it.
    bool hears = false;
    std::vector<BootId> earlier_runs;
    /// When this run of its keeper was first heard; it has been seen read-write since; when its last report came.
    Millis boot_since;
    bool ran = false;
    Millis reported;
    /// When anything was last heard, and when the session ended.
    std::optional<Millis> heard;
    std::optional<Millis> closed;
    /// The last report of this monitor's life, of the record's incarnation.
    std::optional<Report> report;
    /// The newest goal sent in this session; one has been sent in this monitor's life.
    std::optional<Stamp> sent;
    bool told = false;
    /// Highest end of complete records that this incarnation has reported in this monitor's life.
    WalPosition high;
    Millis high_since;
    /// Heard after the last primary was given its newest goal: what that says under it may have been said before.
    bool high_is_news = false;
    /// Since when the primary's walsenders have not shown it streaming; unset while they do.
    std::optional<Millis> not_streaming_since;
    /// Since when its PostgreSQL is starting, as far as its reports say.
    std::optional<Millis> starting_since;
    /// Number of its newest report of this boot.
    std::uint64_t seq = 0;
    /// The goal that it has promised, as it told itself; unset when that is the record's (R11).
    std::optional<Goal> promise;
    /// Its newest look at the primary, and when that was asked for and answered; the first look since the primary was
    /// last heard.
    std::optional<ProbeResult> probe;
    std::uint64_t first_probe = 0;
    Millis probe_asked;
    Millis probe_answered;
    /// Which other nodes' PostgreSQL it has found to answer, and when; when it was last asked to look.
    std::map<NodeName, Millis> reaches;
    Millis peers_asked;
    /// It was chosen and could not be promoted, and nobody has been since.
    bool promotion_failed = false;
    /// Why its reports count for nothing (R4: amnesia); empty when they count.
    std::string distrust;
};
BOOST_DESCRIBE_STRUCT(NodeView, (),
                      (connected, boot, hears, earlier_runs, boot_since, ran, reported, heard, closed, report, sent,
                       told, high, high_since, high_is_news, not_streaming_since, starting_since, seq, promise, probe,
                       first_probe, probe_asked, probe_answered, reaches, peers_asked, promotion_failed, distrust))

/// What the heart remembers beside the record, for as long as this monitor process lives.
struct Memory {
    Millis started;
    /// Before the first primary: when the first node connected, and the last one.
    Millis first_came;
    Millis last_came;
    std::map<NodeName, NodeView> views;
    std::uint64_t last_probe = 0;
    /// A server was found running in this monitor's life, or the primary has run: the cluster does not boot as a whole
    /// (R9).
    bool found_running = false;
    /// When the phase under way was entered, or first seen in this monitor's life.
    Millis phase_since;
    /// The takeover under way: last sign of life or command; new epoch; old primary gone; R4 complete; choice.
    Millis triggered;
    Millis epoch_began;
    std::optional<Millis> complete_since;
    /// Since when every member of every rule with k = 0 is fenced: from then on no standby carries the last primary's
    /// lease (R7).
    std::optional<Millis> members_fenced_since;
    /// When the last primary was last answered: its lease counts from then at the latest. Unset: by no one that this
    /// process knows of.
    std::optional<Millis> primary_answered;
    /// Where its WAL has been heard to end; empty: not in this monitor's life.
    WalPosition primary_end;
    /// Since when an operator's word to accept loss could be carried out.
    std::optional<Millis> word_since;
    Millis chosen_at;
    /// How many further timeline ids the chosen node has been given.
    std::uint32_t further_ids = 0;
    /// When the fast-forward under way began; those before it in this election, which took too long.
    Millis forward_since;
    std::vector<FastForward> forwards_given_up;
    /// When failovers began, newest last (R15).
    std::vector<Millis> recent_failovers;
    /// When the primary was last permitted to start again in place, newest last.
    std::vector<Millis> recent_restarts;
    /// The last permit that was given, also when it is not the record's any more, and when, or first seen.
    std::optional<StartPermit> last_permit;
    Millis permitted_at;
    /// The record was rebuilt in this monitor's life; the operator's word to do so without waiting any longer (R11).
    bool rebuilt = false;
    bool rebuild_now = false;
    /// Who was heard, and has not promised anything to this monitor since: the doubt goes on until they have.
    std::vector<NodeName> unbound;
    /// What was said last about waiting, and to keepers that were turned away and keep trying: it is logged once.
    std::string last_waiting;
    std::map<NodeName, std::string> last_refusals;
};
BOOST_DESCRIBE_STRUCT(Memory, (),
                      (started, first_came, last_came, views, last_probe, found_running, phase_since, triggered,
                       epoch_began, complete_since, members_fenced_since, primary_answered, primary_end, word_since,
                       chosen_at, further_ids, forward_since, forwards_given_up, recent_failovers, recent_restarts,
                       last_permit, permitted_at, rebuilt, rebuild_now, unbound, last_waiting, last_refusals))

/// Copyable: the service keeps a copy to go back to when the store refuses a commit, the simulator one for each branch.
class Heart {
  public:
    /// Takes over a record (a new cluster: one with only name and settings). `term` and `monitor` are those of this
    /// process: the caller has made them durable.
    Heart(ClusterRecord record, Term term, MonitorId monitor, Millis now);
    /// Goes on where another one stood: for who explores its states.
    Heart(ClusterRecord record, Memory memory) : record_(std::move(record)), memory_(std::move(memory)) {}

    Output step(const Input& input, Millis now);
    /// Failovers that an earlier monitor process has begun by itself, this long ago each: they count too (R15).
    void remember_failovers(const std::vector<Millis>& ages, Millis now);

    [[nodiscard]] const ClusterRecord& record() const { return record_; }
    [[nodiscard]] const std::map<NodeName, NodeView>& views() const { return memory_.views; }
    [[nodiscard]] const Memory& memory() const { return memory_; }

  private:
    ClusterRecord record_;
    Memory memory_;
};

/// The whole record as text, a member a line, for people and for comparing.
[[nodiscard]] std::string to_text(const ClusterRecord& record);

// ---- for those who show it ------------------------------------------------------------------------------------------

struct NodeSummary {
    NodeName name;
    std::string host;
    std::uint16_t port = 0;
    IncarnationId incarnation;
    NodeState state = NodeState::init;
    NodeState assigned = NodeState::init;
    Lsn lsn;
    Timeline timeline;
    std::optional<std::uint64_t> lag_bytes;
    std::optional<Millis> lag;
    std::uint32_t candidate_priority = 0;
    bool replication_quorum = false;
    Millis seen{-1};  ///< age of the last message; -1: never
    bool connected = false;
    bool healthy = false;
    bool primary = false;
    bool maintenance = false;
    bool in_sync_rule = false;
    std::string doing;
    std::string problem;
    std::uint32_t pg_version = 0;
};

struct Summary {
    ClusterName cluster;
    Epoch epoch;
    Term term;
    Timeline timeline;
    SystemId system_id;
    Phase phase = Phase::forming;
    bool healthy = false;
    bool failover_ready = false;
    std::vector<NodeName> candidates;
    std::string why_not_ready;
    /// R15: no failover is made by itself until some time has passed, since there were as many as failover-limit
    /// allows.
    bool failover_off = false;
    std::string waiting;
    NodeName primary;
    bool has_writable_primary = false;
    std::string standby_names;
    std::vector<NodeSummary> nodes;
};

[[nodiscard]] Summary summarize(const Heart& heart, Millis now);

}  // namespace pgaf::fsm
