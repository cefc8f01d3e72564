// A laboratory for the heart: ideal keepers with their servers, a network, a clock, and the invariants of the protocol
// watched all the while. Deterministic. Everything but the heart is a model, kept small enough to be believed.
//
//   lab.cc       the monitor's side: steps of the heart, sessions, probes, time
//   keepers.cc   what a keeper does on a goal, and what it reports
//   servers.cc   starting, stopping, promoting, rebuilding; what breaks
//   network.cc   who streams from whom, and which commits are thereby acknowledged
//   watch.cc     the invariants
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "monitor/fsm/heart.h"
#include "monitor/fsm/world.h"
#include "tests/unit/fsm/folder.h"

namespace pgaf::lab {

using fsm::ClusterRecord;
using fsm::Heart;
using fsm::operator+;
using fsm::operator-;

/// A standby's connection to its upstream, and what it has confirmed through it.
struct Link {
    NodeName upstream;
    Millis contact;
    Lsn flushed;
};

/// What a keeper keeps on disk beside the data folder (R2).
struct StateFile {
    IncarnationId incarnation;
    Stamp promised;
    std::optional<Goal> goal;
    RuleId rule_promised;
    /// The last goal of the incarnation before (R11).
    std::optional<Goal> before;
};

struct Node {
    NodeName name;
    std::uint16_t port = 0;
    std::uint32_t priority = 50;
    bool quorum = true;

    // ---- disk ----
    Folder folder;
    StateFile state;

    // ---- machine and processes ----
    bool power = false;
    bool frozen = false;
    bool keeper = false;
    BootId boot;
    std::uint64_t boots = 0;
    std::uint64_t incarnations = 0;
    std::uint64_t seq = 0;
    std::uint64_t exits = 0;
    bool leaving = false;

    // ---- session with the monitor, as the keeper sees it ----
    bool session = false;
    bool held = false;        ///< the script keeps the session closed
    std::string turned_away;  ///< why the monitor does not want it
    std::deque<Goal> inbox;
    std::deque<Report> outbox;
    std::optional<Report> said;
    /// The monitor has been told in this session what is promised; its newest goal in this session.
    bool told = false;
    Stamp given;
    StoreMark heard;
    Millis next_heartbeat;
    bool goal_received = false;
    /// When the newest report was made that the monitor has answered, and when all members last confirmed what was
    /// written then: what carries its lease with k = 0 (R8).
    Millis answered;
    Millis carried;

    // ---- server ----
    bool running = false;
    bool in_recovery = false;
    bool writable = false;
    NodeName upstream;
    bool fence_held = false;
    bool lagging = false;
    bool stuck = false;       ///< answers no query
    bool broken = false;      ///< can't be promoted
    bool replaying = false;   ///< starts, and replays so long that it takes no connections
    bool blind = false;       ///< its launcher is gone, and PostgreSQL with it: its keeper sees nothing
    bool past_fork = false;   ///< shown as streaming with its own end, as PostgreSQL does at the end of an old timeline
    bool slotless = false;    ///< makes no replication slots
    bool unreadable = false;  ///< its disk does not give its WAL: the end is not known while it is down
    bool disk_fails = false;  ///< its disk takes no writes, though all answers
    bool disk_hangs = false;  ///< nor does its state file, and no connection is to be had: it can't promise
    /// Its state file takes so long that a goal is promised only when it obeys the next time.
    bool disk_slow = false;
    std::deque<Goal> writing;
    /// What its keeper has not seen yet: the first report after a start speaks of it (Lab::slow_starts).
    std::optional<PgStatus> unseen;
    std::optional<Link> link;
    /// Rules that may release a commit on this server now; empty: the closed rule.
    std::vector<NamedRule> live;
    RuleId applied;
    /// The rule whose proof is under way, and what k of its S must have flushed for it (R3).
    std::optional<NamedRule> applying;
    Lsn apply_target;
    std::uint64_t checkpoint_done = 0;
    /// The newest epoch in which it ran read-write on a primary's goal.
    Epoch reigned;
    std::vector<NodeName> slots;
    /// Timelines of which it has a history file and no WAL: promotions that were broken off.
    std::set<Timeline> histories;
    std::string problem;

    [[nodiscard]] bool responsive() const { return power && !frozen; }
    [[nodiscard]] bool read_write() const { return running && !in_recovery; }
};

struct Commit {
    std::uint64_t record = 0;
    Lsn lsn;
    NodeName by;
    IncarnationId incarnation;
};

struct PendingProbe {
    fsm::ProbeRequest request;
    Millis due;
    PortState port;
};

/// What may never happen, noted as it happens.
struct Watch {
    std::map<Epoch, std::pair<NodeName, IncarnationId>> told;
    std::set<Timeline> begun;
    Epoch epoch;
    Epoch reign;
    NodeName reigning;
    std::vector<std::uint64_t> acknowledged;
    bool loss_allowed = false;
    Epoch loss_epoch;
    std::vector<std::string> violations;
};

class Lab {
  public:
    explicit Lab(fsm::Settings settings);

    /// Each line of what happens, when somebody listens.
    std::function<void(const std::string&)> say;
    /// What the heart is told, and when; what it puts out: when somebody listens.
    std::function<void(const fsm::Input&, Millis)> on_input;
    std::function<void(const fsm::Output&)> on_output;
    std::map<NodeName, Node> nodes;
    Millis now{10'000};
    std::optional<Heart> heart;
    /// The store: what a restarted monitor finds.
    ClusterRecord stored;
    Watch watch;
    std::vector<Commit> pending;
    /// Reports stay in the outbox until deliver() takes them.
    bool slow_reports = false;
    /// Keepers report servers as unknown or starting before they report what has come of it.
    bool slow_starts = false;
    /// Acknowledged commits that asynchronous clusters have lost by automatic failovers (R7).
    std::uint64_t lost_by_failover = 0;

    // ---- lab.cc: the monitor ----
    void start_monitor();
    void stop_monitor();
    /// The store as it was, or an empty one. `doubt`: what the file beside it shows; empty when that went with it.
    void replace_store(const ClusterRecord& record, Term term, const std::string& doubt);
    [[nodiscard]] ClusterRecord new_record() const;
    [[nodiscard]] Term term() const { return Term{term_}; }
    std::vector<fsm::Reply> command(fsm::Command c);
    void step(const fsm::Input& input);
    void connect(Node& n);
    void close_session(Node& n);
    void deliver(Node& n);
    void answer_probes();
    /// Time passes; with `obey` keepers carry out their goals as they come.
    void pass(Millis duration, bool obey);
    /// Everyone in reach obeys until nothing new comes of it. No time passes.
    void settle();
    /// The cluster has dropped this incarnation.
    [[nodiscard]] bool is_dropped(const Node& n) const;
    [[nodiscard]] Node& node(const NodeName& name) { return nodes.at(name); }

    // ---- keepers.cc ----
    void receive_goals(Node& n);
    bool act(Node& n);
    [[nodiscard]] Hello hello_of(const Node& n) const;
    [[nodiscard]] Report report_of(Node& n);
    void report(Node& n);
    /// Takes in its goals, acts on the newest, and says what came of it if that is news.
    bool obey(Node& n);

    // ---- servers.cc ----
    Node& add(const NodeName& name, std::uint32_t priority, bool quorum, const SystemId& system);
    void boot(Node& n);
    void kill(Node& n);
    void unplug(Node& n);
    void kill_keeper(Node& n);
    void start_keeper(Node& n);
    void exit_server(Node& n);
    /// The primary dies within a record, of which it and its standbys have flushed so many bytes.
    void tear(Node& primary, const std::map<NodeName, std::uint64_t>& bytes);
    void stop_server(Node& n, StopMode mode);
    void start_primary(Node& n);
    void start_standby(Node& n, const NodeName& upstream);
    void promote(Node& n, const Goal& goal);
    /// Somebody promotes a standby past the cluster: PostgreSQL takes the next timeline id that it knows of.
    void promote_by_hand(Node& n);
    void rebuild(Node& n, const Node& source, const std::string& how);
    void initialise(Node& n);
    void wipe(Node& n);
    /// The data folder stays, the state file is gone: another incarnation.
    void lose_state(Node& n);
    /// A running primary has flushed so many bytes of a record that is not whole yet.
    void flush_part(Node& n, std::uint64_t bytes);

    // ---- network.cc ----
    void cut(const std::string& a, const std::string& b, bool apart);
    [[nodiscard]] bool connected(const std::string& a, const std::string& b) const;
    [[nodiscard]] bool reaches_monitor(const Node& n) const;
    [[nodiscard]] bool reach(const Node& a, const Node& b) const;
    void pump();
    [[nodiscard]] std::size_t confirmed(const Node& primary, const SyncRule& rule, Lsn lsn) const;
    /// A commit of so many bytes; 0 when the server takes none.
    std::uint64_t write(Node& n, std::uint64_t bytes);
    [[nodiscard]] bool is_acknowledged(std::uint64_t record) const;

    // ---- watch.cc ----
    void watch_output(const fsm::Output& out);
    void watch_reign(Node& n);
    void watch_acknowledged(const Commit& commit);
    void violation(const std::string& what);

  private:
    void route(const fsm::Output& out);
    void tell(const std::string& line) const {
        if (say) say(line);
    }
    Millis next_event(Millis end) const;
    void run_links();
    void acknowledge();
    /// R8: a primary with k = 0 whose lease is over stops; the launcher sees to it, whatever the keeper does.
    void end_leases();
    bool carry_out(Node& n);
    bool act_primary(Node& n, const Goal& goal);
    bool serve(Node& n, const Goal& goal);
    bool prove_rule(Node& n);
    bool act_standby(Node& n, const Goal& goal);
    bool act_fence(Node& n, const Goal& goal);
    bool act_fast_forward(Node& n, const Goal& goal);
    bool act_stop(Node& n, const Goal& goal);
    bool begin_primary(Node& n, const Goal& goal);
    bool start_stopped_standby(Node& n, const Goal& goal);
    bool run_standby(Node& n, const Goal& goal);
    bool set_problem(Node& n, const std::string& text);
    void new_run(Node& n);
    void new_incarnation(Node& n);
    void down(Node& n);

    fsm::Settings settings_;
    std::set<std::pair<std::string, std::string>> cuts_;
    std::vector<PendingProbe> probes_;
    std::vector<fsm::Reply> replies_;
    std::optional<Millis> wake_;
    std::uint64_t last_record_ = 0;
    std::uint64_t term_ = 0;
    std::uint64_t monitors_ = 0;
};

}  // namespace pgaf::lab
