// The keeper's loop: observes PostgreSQL, reconciles facts with the goal, carries out one step at a time, reports. It
// decides nothing itself (keeper/reconcile does) and touches nothing itself (PostgresControl, Link and StateFile do).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/log.h"
#include "common/model/cluster_view.h"
#include "keeper/postgres/postgres_control.h"
#include "keeper/reconcile/promise.h"
#include "keeper/reconcile/run.h"
#include "keeper/service/link.h"
#include "keeper/service/state_file.h"

namespace pgaf::keeper {

/// CLOCK_BOOTTIME: it runs on while the machine sleeps, and nobody can set it.
[[nodiscard]] Millis boot_time();

struct LoopOptions {
    /// What the node introduces itself with; incarnation, boot and system_id are filled in by the loop.
    Hello self;
    /// Until the monitor says otherwise.
    Millis heartbeat{500};
    Millis node_timeout{2500};
    /// How long the first session waits for a first look at PostgreSQL.
    Millis first_look_limit{2000};
    /// A failed step is tried again after this, then after twice that, and so on.
    Millis first_retry{200};
    Millis longest_retry{10'000};
    std::function<Millis()> clock = boot_time;
    /// Told how long a report's acknowledgement took.
    std::function<void(std::chrono::nanoseconds)> on_answer;
    /// Told whether PostgreSQL is at rest: it runs as its goal wants, and no step is under way. Whoever uses it on the
    /// side (metrics) keeps away from a server that is not.
    std::function<void(bool)> on_rest;
    Log log;
};

/// What the loop knows at this moment, for health checks and metrics.
struct LoopView {
    Promise promise;
    Run run;
    Facts facts;
    std::string doing;
    std::string problem;
    /// Why the monitor turns this keeper away; empty when it doesn't.
    std::string refusal;
    /// Where the WAL of the upstream ends, or of the last primary when there is no upstream (a fence has taken it), as
    /// the monitor last said, which may be long ago; 0: not known.
    Lsn upstream_end;
    /// Since the loop last came round; 0 while a look reads the WAL of a stopped server.
    Millis since_progress;
    /// What the monitor last told about the cluster, and how long ago; unset: it has told nothing in this run.
    ClusterView cluster;
    std::optional<Millis> cluster_age;
    std::uint64_t reports = 0;
    std::uint64_t steps = 0;
    std::uint64_t failed_steps = 0;
};

class Loop {
  public:
    /// All of these outlive the loop. Everything runs on `strand`: an io_context with one thread, or a strand.
    Loop(boost::asio::any_io_executor strand, PostgresControl& control, Link& link, const StateFile& file,
         LoopOptions options);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Runs until stop(); an error when the first promise can't be written. PostgreSQL is left as it is.
    Async<Result<>> run(StateFile::Loaded loaded);
    void stop();
    [[nodiscard]] LoopView view() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace pgaf::keeper
