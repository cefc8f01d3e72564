// Inside the loop: its state, shared by loop.cc (looking, deciding, stepping) and loop_monitor.cc (what the monitor
// says and is told). All on one strand.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <chrono>
#include <deque>
#include <optional>

#include "keeper/postgres/wake.h"
#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/report.h"
#include "keeper/service/loop.h"
#include "keeper/service/promise_keeper.h"

namespace pgaf::keeper {

struct Loop::Impl : std::enable_shared_from_this<Loop::Impl> {
    Impl(boost::asio::any_io_executor on, PostgresControl& c, Link& l, const StateFile& f, LoopOptions o);

    // ---- loop.cc: looking, deciding, stepping ----
    Async<void> look_for_ever();
    Async<void> pulse_for_ever();
    Async<void> carry_out(Step step);
    /// The facts of a look that is begun after this call, or the newest there are when `limit` is over.
    Async<Facts> fresh_facts(Millis limit);
    void took(Facts facts);
    void check_folder();
    void think();
    void think_under_way();
    void begin(const Step& step);
    void ended(const Step& step, const Result<>& done);
    void pass_time();
    /// Tells the launcher until when the server may run without hearing from this keeper (R8).
    void hold_deadline();
    Async<void> tell_deadline(Millis until, std::uint64_t exits);
    /// Something has happened: for a while PostgreSQL is looked at more often than with each heartbeat.
    void stir();
    [[nodiscard]] Millis next_look() const;
    [[nodiscard]] bool on_hold(const Step& step) const;
    void tell_rest();
    void launch(Async<void> work);

    // ---- loop_monitor.cc: what the monitor says and is told ----
    void listen();
    void heard();
    void on_opened();
    void on_ack(const Ack& ack);
    void on_goal(const Goal& goal);
    void on_probe(const Probe& probe);
    void on_lost(const std::string& why);
    void on_refused(const std::string& why);
    void on_view(const ClusterView& told);
    Async<void> take_goals();
    /// False when the state file could not be written.
    Async<bool> take_goal(Goal goal);
    Async<void> answer_probe(Probe probe);
    Async<void> change_folder();
    Async<void> say_let_go();
    void open_session();
    void consider_let_go();
    void report_if_news();
    void send_report();
    [[nodiscard]] bool must_tell_promise() const;
    [[nodiscard]] Report report_now() const;
    [[nodiscard]] std::string doing() const;
    [[nodiscard]] std::string problem() const;
    [[nodiscard]] Facts facts_to_tell() const;
    [[nodiscard]] const Promise& promise() const { return promises->now(); }

    boost::asio::any_io_executor strand;
    PostgresControl& control;
    Link& link;
    const StateFile& file;
    LoopOptions options;
    Log log;

    std::optional<PromiseKeeper> promises;
    Run run;
    Facts facts;
    Decision decision;

    // The step under way, or the last one as long as nobody has looked since its end.
    std::optional<Step> under_way;
    std::optional<Step> unsettled;
    bool cancelling = false;
    std::string progress;
    std::unique_ptr<boost::asio::cancellation_signal> cancel_step;
    std::uint64_t steps_ended = 0;
    std::uint64_t steps_failed = 0;
    /// The step that failed last, under which goal, how often, and when it may be tried again.
    std::string failed_key;
    unsigned failures = 0;
    Millis retry_at;
    Millis peers_again_at;

    // Looks at PostgreSQL.
    Bell look_bell;
    Bell looked_bell;
    std::uint64_t look_number = 0;
    std::uint64_t looked = 0;
    Millis restless_until;
    Millis progress_at;
    Millis streamed_at;
    boost::asio::cancellation_signal cancel_look;

    // The monitor.
    Bell goal_bell;
    std::optional<Goal> inbox;
    bool taking_goals = false;
    bool session_asked = false;
    /// What the hello named; nothing is said for another incarnation in its session.
    IncarnationId session_incarnation;
    bool session_alive = false;
    bool changing_folder = false;
    bool letting_go = false;
    bool let_go = false;
    std::map<NodeName, Lsn> positions;
    ClusterView cluster;
    std::optional<Millis> cluster_told;
    std::string refusal;
    std::string last_loss;
    std::string state_trouble;
    /// Time since the monitor was last heard, without the time in which this process itself was kept from running:
    /// after a freeze what the monitor said meanwhile waits unread.
    Millis since_heard;
    /// The monitor that answers decides nothing (R11): for what a node may do by itself it is away, since this time.
    bool in_doubt = false;
    Millis since_decided;
    Millis time_passed_at;
    /// The next look writes a WAL message for the lease (R8): one with each heartbeat.
    bool mark_due = false;
    bool telling_deadline = false;
    Millis heartbeat;
    std::uint64_t seq = 0;
    std::optional<Report> sent;
    /// In this session: the newest goal that came, and the promise that the monitor has acknowledged to have been told.
    std::optional<Stamp> given;
    std::optional<Stamp> told;
    bool report_due = false;
    /// Reports not acknowledged yet, oldest first; bounded.
    struct Sent {
        Report report;
        Millis at;
        /// The same moment on a finer clock, for figures only.
        std::chrono::steady_clock::time_point fine;
    };
    std::deque<Sent> recent;
    std::optional<Report> acknowledged;
    int probes = 0;

    // The end.
    Bell pulse_bell;
    Bell end_bell;
    bool stopping = false;
    int at_work = 0;
};

}  // namespace pgaf::keeper
