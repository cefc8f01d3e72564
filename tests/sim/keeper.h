// A keeper's process: what keeper/service/loop keeps in memory, and the step under way on its PostgreSQL. Plain values;
// loop.cc moves the first, steps.cc the second.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "keeper/reconcile/reconcile.h"
#include "tests/sim/machine.h"

namespace pgaf::sim {

/// A step on its way through the model of PostgreSQL: keeper/postgres as a list of phases.
struct StepRun {
    keeper::Step step;
    int phase = 0;
    Micros phase_since = 0;
    std::uint64_t target = 0;
    Names before;
    /// Walsenders of the first look of R3's proof.
    std::vector<std::uint32_t> old_links;
    bool first_look = true;
};

/// What the keeper remembers of one run of its server (keeper/postgres/node.h: RunMemory).
struct RunMemory {
    std::uint32_t server = 0;
    bool closed_all_along = false;
    /// What the keeper has put into synchronous_standby_names; unset: it has not, in this run of its own.
    std::optional<Names> put;
    bool fenced = false;
    std::uint64_t fenced_end = 0;
    std::uint64_t fenced_complete = 0;
    std::uint32_t fenced_timeline = 0;
};

/// A change of the promise that waits for its turn at the disk (keeper/service/promise_keeper).
enum class Change : std::uint8_t { goal, folder, step };

struct SentReport {
    std::uint64_t seq = 0;
    bool leaving = false;
    IncarnationId incarnation;
    PgStatus status = PgStatus::unknown;
    Micros at = 0;
    /// It says how much WAL this node has.
    bool end = false;
    /// By the machine's clock.
    Millis boot_at;
    std::string self_fenced;
    Stamp promised;
};

/// The way to the monitor (keeper/service/session).
struct SessionEnd {
    /// 0: none is open.
    std::uint32_t id = 0;
    bool heard = false;
    Micros heard_at = 0;
    Micros begun = 0;
    unsigned failures = 0;
    bool refused = false;
};

struct Keeper {
    bool alive = false;
    /// Its process alone is stopped (SIGSTOP).
    bool frozen = false;
    std::uint32_t boot = 0;
    Micros started = 0;
    /// When the newest report was made that says how much WAL it has, of those that the monitor has acknowledged.
    Micros end_heard = 0;
    /// When the newest report was made that the monitor has acknowledged.
    Micros answered_for = 0;
    /// It can't start: the state file is damaged.
    bool no_start = false;

    // ---- the promise ----
    keeper::Promise promise;
    std::optional<keeper::Promise> writing;
    Change writing_for = Change::goal;
    std::vector<Change> changes;
    std::optional<keeper::Step> step_done;
    std::string state_trouble;

    // ---- looking, deciding, stepping ----
    keeper::Run run;
    keeper::Facts facts;
    keeper::Decision decision;
    std::optional<keeper::Step> unsettled;
    std::optional<StepRun> under_way;
    bool cancelling = false;
    /// The launcher has not answered yet, and goes on with it whatever is given up here (R4).
    bool start_asked = false;
    std::string failed_key;
    unsigned failures = 0;
    Micros retry_at = 0;
    Micros peers_again_at = 0;
    Micros restless_until = 0;
    /// The timer of the next look; older ones are void.
    std::uint32_t look_timer = 0;
    Micros look_planned = 0;
    std::uint32_t steps_ended = 0;
    /// A look whose answer is still on its way, and the steps that had ended when it began.
    std::optional<keeper::Facts> pending_look;
    std::uint32_t pending_after = 0;
    /// The next look writes a WAL message for the lease (R8): one with each heartbeat.
    bool mark_due = false;
    bool telling_deadline = false;
    /// State of machine and keeper at the last look, to leave out looks that can show nothing new.
    std::uint64_t machine_seen = 0;
    bool settled_look = false;

    // ---- launcher, as LauncherClient knows it ----
    bool launcher_connected = false;
    std::uint32_t launcher_life = 0;
    std::uint64_t earlier_exits = 0;
    std::uint64_t exits = 0;
    bool leaving = false;
    RunMemory memory;
    Micros answered_at = 0;
    std::uint32_t answered_by = 0;
    /// A server was seen running, and its exit has not been told yet.
    bool exit_untold = false;
    /// When a standby last streamed as its goal says.
    Micros streamed_at = 0;

    // ---- the monitor ----
    std::optional<Goal> inbox;
    /// The goal that waits for the disk.
    std::optional<Goal> taking;
    bool taking_goals = false;
    bool session_asked = false;
    IncarnationId session_incarnation;
    bool session_alive = false;
    bool changing_folder = false;
    bool let_go = false;
    Micros since_heard = 0;
    bool in_doubt = false;
    Micros since_decided = 0;
    Micros time_passed_at = 0;
    Micros heartbeat = 500 * ms;
    bool second_half = false;
    std::uint64_t seq = 0;
    std::optional<Report> sent;
    bool report_due = false;
    std::deque<SentReport> recent;
    std::optional<SentReport> acknowledged;
    std::optional<Stamp> given;
    std::optional<Stamp> told;
    SessionEnd session;
    /// The monitor turns it away.
    bool refused = false;
    std::vector<ProbeResult> probes;
};

}  // namespace pgaf::sim
