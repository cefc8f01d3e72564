// Rows that come before every role: what is not known, what is not ours, and what is not to run.
#include <array>

#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

// ---- nothing can be done ----

bool launcher_away(const Situation& s) {
    return !s.facts.launcher_connected;
}
Decision say_launcher_away(const Situation& s) {
    return problem(s.facts.trouble.empty() ? "the launcher is out of reach: start pgaf-launcher on this node"
                                           : s.facts.trouble);
}

bool not_known(const Situation& s) {
    return s.status(PgStatus::unknown);
}
Decision wait_to_know(const Situation& s) {
    return s.facts.trouble.empty() ? wait_for("a first look at PostgreSQL") : problem(s.facts.trouble);
}

bool of_another_cluster(const Situation& s) {
    return !foreign_folder(s.promise, s.facts).empty();
}
Decision say_foreign(const Situation& s) {
    return problem(foreign_folder(s.promise, s.facts));
}

bool not_a_data_folder(const Situation& s) {
    return s.status(PgStatus::absent) && !s.facts.rebuilding && !s.facts.trouble.empty();
}
Decision say_trouble(const Situation& s) {
    return problem(s.facts.trouble);
}

bool no_goal(const Situation& s) {
    return !s.promise.goal;
}
Decision wait_for_goal(const Situation&) {
    return wait_for("the monitor's first goal for this data folder");
}

bool told_to_wait(const Situation& s) {
    return s.role(Role::wait);
}
Decision nothing_to_do(const Situation&) {
    return settled();
}

// ---- what is to be stopped ----

bool is_to_rest(const Situation& s) {
    return s.role(Role::stop) || s.role(Role::maintenance) || s.role(Role::dropped);
}
bool to_stop(const Situation& s) {
    return is_to_rest(s) && s.alive();
}
Decision stop(const Situation& s) {
    // A server that answers nothing would not get through a fast stop either.
    const bool immediate = (s.role(Role::stop) && s.goal.stop_mode == StopMode::immediate) || s.status(PgStatus::stuck);
    return take(Stop{immediate ? StopMode::immediate : StopMode::fast});
}

bool half_made_lives(const Situation& s) {
    return s.facts.rebuilding && s.alive() && !s.status(PgStatus::stopping);
}
Decision stop_half_made(const Situation&) {
    return take(Stop{StopMode::immediate});
}

bool going_down(const Situation& s) {
    return s.status(PgStatus::stopping);
}
Decision wait_for_exit(const Situation&) {
    return wait_for("PostgreSQL to have exited");
}

bool launcher_ends(const Situation& s) {
    return s.facts.leaving && !s.alive();
}
Decision stay_down(const Situation&) {
    return wait_for("the launcher, which has been asked to end");
}

// ---- whose data folder it is (R2) ----

bool folder_has_no_or_another_id(const Situation& s) {
    return !s.no_data() && s.facts.folder_incarnation != s.promise.incarnation;
}
bool adoptable(const Situation& s) {
    if (!folder_has_no_or_another_id(s) || s.promise.has_folder || !s.run.goal_received) return false;
    if (!s.status(PgStatus::stopped) && !s.status(PgStatus::running)) return false;
    const bool first = s.role(Role::primary) && s.goal.initialise && s.goal.system_id.empty();
    return !s.facts.system_id.empty() && (first || s.goal.system_id == s.facts.system_id);
}
Decision adopt(const Situation& s) {
    return take(Adopt{s.layout()});
}
Decision wait_for_identity(const Situation& s) {
    if (!s.facts.trouble.empty()) return problem(s.facts.trouble);
    if (s.facts.system_id.empty())
        return problem(
            "the data folder's system identifier can't be read: is it a PostgreSQL data folder? Point pgdata "
            "to the right one, or move it away and the node makes a new clone");
    return wait_for("the monitor to register this data folder");
}

// ---- a rule of somebody else's making (R3, R6) ----

constexpr const char* leave_it = "; somebody has set it (ALTER SYSTEM?): it is put back, leave this setting to pgaf";

bool standby_opened(const Situation& s) {
    return s.running_standby() && s.rule_overruled();
}
Decision stop_opened(const Situation& s) {
    // A standby that is wanted for an election loses no time with a restartpoint.
    Decision d = take(Stop{s.role(Role::standby) ? StopMode::fast : StopMode::immediate});
    d.problem = s.facts.alien_rule + leave_it;
    return d;
}

constexpr std::array rows{
    Row{"launcher-away", "the launcher is out of reach", "nothing",
        "without the postmaster's parent nothing can be started, stopped or believed (R13)", launcher_away,
        say_launcher_away},
    Row{"not-known", "PostgreSQL has not been looked at yet", "nothing", "steps follow facts", not_known, wait_to_know},
    Row{"foreign-folder", "the data folder is of another PostgreSQL system than the cluster", "nothing",
        "another cluster's data is never touched", of_another_cluster, say_foreign},
    Row{"not-a-data-folder", "the data folder holds something else than PostgreSQL's data", "nothing",
        "what is not ours is neither filled nor emptied", not_a_data_folder, say_trouble},
    Row{"no-goal", "no goal has been promised by this incarnation", "nothing",
        "a new incarnation acts on no goal until the monitor has registered it (R2)", no_goal, wait_for_goal},
    Row{"wait", "goal wait", "nothing", "the monitor only wants to be told", told_to_wait, nothing_to_do},
    Row{"stop", "goal stop, maintenance or dropped; PostgreSQL lives", "Stop",
        "a promise to stop is kept by every run of the keeper", to_stop, stop},
    Row{"stopped", "goal stop, maintenance or dropped; PostgreSQL is down", "nothing",
        "what was stopped by the monitor's word is started only by its word (R9)", is_to_rest, nothing_to_do},
    Row{"half-made", "PostgreSQL lives on a data folder that was never finished", "Stop (immediate)",
        "what a broken-off clone or rewind left behind is not data", half_made_lives, stop_half_made},
    Row{"going-down", "PostgreSQL is on its way down", "nothing",
        "exited means gone: nothing is started before every process has been reaped (R13)", going_down, wait_for_exit},
    Row{"launcher-ends", "the launcher has been asked to end; PostgreSQL is down", "nothing",
        "what is started now would be stopped at once", launcher_ends, stay_down},
    Row{"adopt", "data without an id, or with another one; the goal names this incarnation and system", "Adopt",
        "a folder counts as this incarnation only when its id file says so (R2)", adoptable, adopt},
    Row{"not-adopted", "data without an id, or with another one", "nothing",
        "promises belong to the incarnation, so nobody else's folder is served under them (R2)",
        folder_has_no_or_another_id, wait_for_identity},
    Row{"standby-opened", "a standby runs under another rule than the closed one that it was started under", "Stop",
        "a promotion may only open the closed rule, which the checkpointer has to have seen from the start (R6)",
        standby_opened, stop_opened},
};

}  // namespace

std::span<const Row> general_rows() {
    return rows;
}

Decision say_stuck(const Situation& s) {
    const std::string look = ": look at its log, its disks and its locks";
    if (s.facts.trouble.empty()) return problem("PostgreSQL lives but answers no query" + look);
    return problem("PostgreSQL lives but does not serve (" + s.facts.trouble + ")" + look);
}

Decision set_back(const Situation& s, const NamedRule& rule) {
    Decision d = take(ApplyRule{s.layout(), rule});
    if (s.rule_overruled())
        d.problem = s.facts.alien_rule + leave_it + ". Commits acknowledged meanwhile may be on no standby";
    return d;
}

}  // namespace pgaf::keeper
