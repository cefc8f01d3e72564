// Rows of a cluster that has a primary: losing it, restarting it, changing its sync rule, planned switchovers.
#include <algorithm>
#include <array>
#include <optional>

#include "monitor/fsm/amnesia.h"
#include "monitor/fsm/choice.h"
#include "monitor/fsm/cut_off.h"
#include "monitor/fsm/detection.h"
#include "monitor/fsm/goals.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/switchover.h"
#include "monitor/fsm/table.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

/// Rules that may pile up while changes supersede each other (R3) before a further change waits for a proof.
constexpr std::size_t rules_at_most = 32;
constexpr std::size_t restarts_kept = 16;

bool has_primary(const World& world) {
    const Phase p = world.record.phase;
    return p == Phase::steady || p == Phase::draining || p == Phase::promoting;
}

bool failover_can_complete(const World& world) {
    return reachable_nodes_can_complete(world) && somebody_can_take_over(world);
}

// ---- primary-exited ----

/// The primary's PostgreSQL is down, and this exit has not been answered with a permit yet.
bool exited_unanswered(const World& world) {
    const Report* r = world.primary_live();
    if (!has_primary(world) || !r || r->status != PgStatus::stopped) return false;
    return !world.record.permit || *world.record.permit != StartPermit{r->boot, r->exits};
}

/// What it has can be compared with what others had of it, or nobody is there who could have had anything.
bool end_is_known(const World& world) {
    return !complete_end(*world.primary_live()).lsn.empty() || world.record.nodes.size() == 1 ||
           world.record.history.empty();
}

/// A cluster that boots as a whole waits for its last primary so that it goes on. A server that does not come up exits
/// again, and then a standby is taken.
bool comes_back_with_its_cluster(const World& world) {
    return booting(world) && world.primary_live()->exits <= 1 && end_is_known(world);
}

bool primary_exited_with_candidates(const World& world) {
    return exited_unanswered(world) && !comes_back_with_its_cluster(world) && failover_can_complete(world) &&
           !world.too_many_failovers();
}
void fail_over_from_exit(World& world, const Row& row) {
    const Report* r = world.primary_live();
    begin_election(world, row, Trigger::loss, "PostgreSQL exited on " + world.record.primary.v,
                   "exit " + std::to_string(r->exits) + (r->clean_shutdown ? ", clean" : ", not clean") +
                       ", told by its launcher");
    world.memory.triggered = world.now;
}

/// A server that does not come up is started again, ever more slowly: at once at first, then after 1 s, 2 s ... 32 s.
bool restarts_too_fast(const World& world) {
    const std::vector<Millis>& restarts = world.memory.recent_restarts;
    const auto recent =
        std::count_if(restarts.begin(), restarts.end(), [&](Millis t) { return (world.now - t).v < 60'000; });
    return recent > 0 && (world.now - restarts.back()).v < (500 << std::min<std::int64_t>(recent, 6));
}

bool primary_exited_without_candidates(const World& world) {
    // One whose machine goes down would be stopped again at once; it asks anew when it is back. Those that may show
    // that its disk was put back get a moment to be heard.
    return exited_unanswered(world) && !world.primary_live()->leaving && !restarts_too_fast(world) &&
           !reconnecting(world) && end_is_known(world) && loss_would_show(world);
}
void restart_in_place(World& world, const Row& row) {
    const Report* r = world.primary_live();
    world.memory.recent_restarts.push_back(world.now);
    if (world.memory.recent_restarts.size() > restarts_kept)
        world.memory.recent_restarts.erase(world.memory.recent_restarts.begin());
    world.record.permit = StartPermit{r->boot, r->exits};
    if (world.record.history.empty()) {
        world.log("primary_started", world.record.primary,
                  "PostgreSQL on " + world.record.primary.v + " may start for the first time",
                  "its data folder is made", row.name);
        return;
    }
    const char* why = comes_back_with_its_cluster(world) ? "the whole cluster comes up, and it is the last primary"
                      : world.too_many_failovers()       ? "the limit of automatic failovers in ten minutes is reached"
                                                         : "no standby in reach can take over with every commit";
    world.log("primary_restarted", world.record.primary,
              "PostgreSQL on " + world.record.primary.v + " may start again in place", why, row.name);
}

// ---- primary-lost ----

bool primary_lost(const World& world) {
    return has_primary(world) && failover_can_complete(world) && primary_verdict(world).lost &&
           !world.too_many_failovers();
}
void fail_over_from_loss(World& world, const Row& row) {
    begin_election(world, row, Trigger::loss, world.record.primary.v + " is lost", primary_verdict(world).evidence);
}

bool primary_folder_gone(const World& world) {
    const NodeRecord* p = world.primary();
    return has_primary(world) && failover_can_complete(world) &&
           (!p || p->incarnation != world.record.primary_incarnation);
}
void fail_over_from_lost_folder(World& world, const Row& row) {
    begin_election(world, row, Trigger::loss, "the data folder of " + world.record.primary.v + " was lost or replaced",
                   "its keeper reports a new incarnation");
}

bool primary_forgot(const World& world) {
    const NodeView* v = world.view(world.record.primary);
    return has_primary(world) && failover_can_complete(world) && v && !v->distrust.empty() &&
           !world.too_many_failovers();
}
void fail_over_from_amnesia(World& world, const Row& row) {
    begin_election(world, row, Trigger::loss, world.record.primary.v + " has forgotten what it said",
                   world.view(world.record.primary)->distrust);
}

// ---- alive, and of no use ----

bool primary_stuck(const World& world) {
    const Report* r = world.primary_live();
    return has_primary(world) && r && r->status == PgStatus::stuck && failover_can_complete(world) &&
           !world.too_many_failovers();
}
void fail_over_from_stuck(World& world, const Row& row) {
    const Report* r = world.primary_live();
    begin_election(world, row, Trigger::loss, "PostgreSQL on " + world.record.primary.v + " answers no query",
                   r->problem.empty() ? "its keeper has waited longer than its limit" : "its keeper: " + r->problem);
    world.record.exclude_primary = true;
}

/// One whose disk hangs may tell no more than that its process lives: it takes no connection that writes, and can't
/// promise either.
bool server_lives(const Report& r) {
    return r.status == PgStatus::starting || r.status == PgStatus::running || r.status == PgStatus::stopping ||
           r.status == PgStatus::stuck;
}

/// It answers, its walsenders live, and its disk takes no writes (detection, evidence 5). No reason to move when nobody
/// who may take over is better off. One that has just been chosen gets the time that any trouble gets then.
bool primary_cannot_write(const World& world) {
    const Report* r = world.primary_live();
    if (!has_primary(world) || !r || r->disk.empty() || !server_lives(*r)) return false;
    const bool just_chosen =
        world.record.phase == Phase::promoting &&
        (world.now - world.memory.chosen_at).v < static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
    return !just_chosen && failover_can_complete(world) && somebody_with_a_disk_can_take_over(world) &&
           !world.too_many_failovers();
}
void fail_over_from_disk(World& world, const Row& row) {
    begin_election(world, row, Trigger::loss, "PostgreSQL on " + world.record.primary.v + " can't write",
                   world.primary_live()->disk);
    world.record.exclude_primary = true;
}

/// It lives and can't be reached by its standbys: no reason to wait with them, and none to let it go on (R4).
bool primary_cut_off(const World& world) {
    return cut_off_verdict(world).lost && failover_can_complete(world) && !world.too_many_failovers();
}
void fail_over_from_cut_off(World& world, const Row& row) {
    begin_election(world, row, Trigger::loss, world.record.primary.v + " is cut off from its standbys",
                   cut_off_verdict(world).evidence);
    world.record.exclude_primary = true;
}

bool another_has(const World& world, const WalPosition& end) {
    return std::any_of(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
        return entry.first != world.record.primary && world.can_be_candidate(entry.second) &&
               world.in_reach(entry.first) && contains(world.record, *world.live(entry.first), end);
    });
}

/// Since when it is being started, in place or by its keeper after a crash; or may be, and is not (a keeper that
/// can't).
std::optional<Millis> starting_since(const World& world) {
    const NodeView* v = world.view(world.record.primary);
    const Report* r = world.primary_live();
    if (!v || !r) return std::nullopt;
    if (r->status == PgStatus::starting) return v->starting_since;
    const bool may = r->status == PgStatus::stopped && world.record.permit == StartPermit{r->boot, r->exits};
    return may && world.record.phase != Phase::promoting ? std::optional(world.memory.permitted_at) : std::nullopt;
}

/// Without one that has the floor the same node would be chosen again (R5), epoch after epoch.
bool primary_starts_for_ever(const World& world) {
    const std::optional<Millis> since = starting_since(world);
    const std::int64_t limit = comes_up_within * static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
    return has_primary(world) && since && (world.now - *since).v >= limit && failover_can_complete(world) &&
           another_has(world, world.record.floor) && !world.too_many_failovers();
}
void fail_over_from_start(World& world, const Row& row) {
    const std::string waited = seconds(world.now - *starting_since(world));
    const Report* r = world.primary_live();
    begin_election(world, row, Trigger::loss, "PostgreSQL on " + world.record.primary.v + " does not come up",
                   r->status == PgStatus::starting
                       ? "it has been starting for " + waited
                       : "it may start since " + waited + (r->problem.empty() ? "" : ": " + r->problem));
    world.record.exclude_primary = true;
}

/// Somebody who has everything that the chosen node has: its exit alone completes R4 (second form), once its end is
/// known.
bool another_has_everything(const World& world) {
    const WalPosition end = complete_end(*world.primary_live());
    return !end.lsn.empty() && another_has(world, end);
}

/// The chosen node says why it can't become the primary, or does not come up, and has had time to get over it.
bool promotion_failed(const World& world) {
    const Report* r = world.primary_live();
    if (world.record.phase != Phase::promoting || !r || world.primary_runs() || r->promised.epoch != world.record.epoch)
        return false;
    const bool comes_up = r->problem.empty() && (r->status == PgStatus::starting || r->status == PgStatus::stopping);
    if (r->problem.empty() && !comes_up) return false;
    const std::int64_t patience =
        static_cast<std::int64_t>(world.record.settings.node_timeout_ms) * (comes_up ? comes_up_within : 1);
    const bool had_time = (world.now - world.memory.chosen_at).v >= patience;
    // Without one that has the floor the same node would be chosen again (R5), epoch after epoch.
    const bool another =
        another_has_everything(world) || (failover_can_complete(world) && another_has(world, world.record.floor));
    return had_time && another && !world.too_many_failovers();
}
void choose_another(World& world, const Row& row) {
    const Report* r = world.primary_live();
    world.memory.views[world.record.primary].promotion_failed = true;
    begin_election(
        world, row, Trigger::loss, world.record.primary.v + " can't be promoted",
        r->problem.empty() ? "its PostgreSQL does not come up: " + std::string(word(r->status)) : r->problem);
    world.record.exclude_primary = true;
}

// ---- R3 ----

bool rule_should_change(const World& world) {
    // It need not be open to clients: a rule whose members are gone may be what keeps it closed (R9). But it must be
    // there to hear of it: a rule that nobody applies only makes an election harder.
    const Phase phase = world.record.phase;
    const bool may = phase == Phase::steady || phase == Phase::draining || phase == Phase::promoting;
    const bool heard =
        world.silence(world.record.primary).v < 2 * static_cast<std::int64_t>(world.record.settings.heartbeat_ms);
    return may && heard && world.primary_runs() && world.record.rules.size() < rules_at_most &&
           wanted_rule(world) != world.newest_rule().rule;
}
void change_rule(World& world, const Row& row) {
    const SyncRule wanted = wanted_rule(world);
    const SyncRule before = world.newest_rule().rule;
    world.record.last_rule = RuleId{world.record.last_rule.v + 1};
    world.record.rules.push_back({world.record.last_rule, wanted});
    world.log(wanted.nobody_may_follow() ? "replication_degraded" : "sync_rule_changing", world.record.primary,
              "sync rule changes to " + shown_rule(world.record, wanted), "was " + shown_rule(world.record, before),
              row.name);
}

// ---- switchover ----

/// Why the primary is to be moved though it works; empty when it isn't.
std::string reason_to_move(const World& world) {
    const NodeRecord* p = world.primary();
    // Who is not in reach can't be told: such a switchover is given up.
    if (!p || !world.primary_serves() || !world.in_reach(p->name)) return {};
    const Report* r = world.primary_live();
    if (r->leaving) return "the machine of " + p->name.v + " is shutting down";
    if (p->maintenance_wanted) return "maintenance of " + p->name.v;
    if (p->drop_wanted) return p->name.v + " is to be dropped";
    if (world.record.operation &&
        (world.record.operation->kind == "switchover" || world.record.operation->kind == "promotion" ||
         world.record.operation->kind == "failover"))
        return world.record.operation->kind + " asked for by an operator";
    return {};
}

bool should_move(const World& world) {
    return world.record.phase == Phase::steady && !reason_to_move(world).empty() &&
           !switchover_target(world, world.record.preferred).node.empty();
}
void begin_draining(World& world, const Row& row) {
    const NodeName target = switchover_target(world, world.record.preferred).node;
    world.record.preferred = target;
    world.record.reason = reason_to_move(world);
    ++world.record.checkpoint_request;
    world.enter(Phase::draining);
    world.memory.triggered = world.now;
    world.log("switchover_started", target, "switchover from " + world.record.primary.v + " to " + target.v,
              world.record.reason, row.name);
}

bool checkpoint_made(const World& world) {
    const Report* r = world.primary_live();
    return world.record.phase == Phase::draining && r && r->checkpoint_done >= world.record.checkpoint_request &&
           !switchover_target(world, world.record.preferred).node.empty();
}
void stop_old_primary(World& world, const Row& row) {
    begin_election(world, row, Trigger::planned, world.record.reason,
                   "checkpoint made; " + world.record.preferred.v + " streams without lag to speak of");
}

/// Its keeper may have been started again, or be on its way back; and if the primary is lost, the rows before find that
/// out.
bool out_of_sight(const World& world) {
    const auto limit = 2 * static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
    return world.silence(world.record.primary).v >= limit;
}

bool draining_failed(const World& world) {
    if (world.record.phase != Phase::draining) return false;
    // A checkpoint of a busy server may take long; the database serves all the while.
    const bool late = (world.now - world.memory.phase_since).v > 120'000;
    if (reconnecting(world)) return false;
    // Who gave the command has long gone when its keeper comes back: the switchover must not happen then. Before that
    // it is no matter that the candidate does not stream: its primary may be the reason, and the rows before find that
    // out.
    if (!world.in_reach(world.record.primary)) return out_of_sight(world);
    return late || switchover_target(world, world.record.preferred).node.empty();
}
void give_up_draining(World& world, const Row& row) {
    const std::string why = out_of_sight(world) ? world.record.primary.v + " is not in reach of the monitor"
                                                : switchover_target(world, world.record.preferred).why_not;
    const std::string message =
        "switchover given up, " + world.record.primary.v + " stays primary: " +
        (why.empty() ? "its checkpoint took longer than 120 s; try again when it is less busy" : why);
    world.enter(Phase::steady);
    world.record.reason.clear();
    if (NodeRecord& p = world.record.nodes.at(world.record.primary); p.maintenance_wanted) p.maintenance_wanted = false;
    world.record.nodes.at(world.record.primary).drop_wanted = false;
    world.record.preferred = {};
    world.log("switchover_failed", world.record.primary, message, {}, row.name);
    finish_operation(world, false, message);
}

constexpr std::array rows{
    Row{"primary-folder-gone", primary_folder_gone, fail_over_from_lost_folder,
        "a primary whose data folder was lost or replaced can never go on"},
    Row{"primary-exited", primary_exited_with_candidates, fail_over_from_exit,
        "promoting a standby is quicker than crash recovery when R4 can be met"},
    Row{"restart-in-place", primary_exited_without_candidates, restart_in_place,
        "with no candidate the last primary restarts where it is, in the same epoch (R9)"},
    Row{"primary-lost", primary_lost, fail_over_from_loss,
        "the session or the heartbeats ended and the standbys corroborate it"},
    Row{"primary-forgot", primary_forgot, fail_over_from_amnesia,
        "what a primary says after its disk was put back counts for nothing (R4)"},
    Row{"primary-stuck", primary_stuck, fail_over_from_stuck,
        "PostgreSQL lives and answers no query: it is told to stop, and a standby takes over"},
    Row{"primary-disk", primary_cannot_write, fail_over_from_disk,
        "it answers and its disk takes no writes: it is told to stop, and a standby whose disk does takes over"},
    Row{"primary-cut-off", primary_cut_off, fail_over_from_cut_off,
        "writes wait while too few standbys reach it, and another node would have its standbys"},
    Row{"primary-starts", primary_starts_for_ever, fail_over_from_start,
        "promoting a standby beats a recovery of which nobody knows when it ends"},
    Row{"promotion-failed", promotion_failed, choose_another,
        "a chosen node that says why it can't be promoted must not hold up the others"},
    Row{"checkpoint-made", checkpoint_made, stop_old_primary,
        "a switchover's epoch begins once the checkpoint is made, so that the stop is short"},
    Row{"switchover-given-up", draining_failed, give_up_draining,
        "the candidate went away before the old primary was told to stop: nothing has happened"},
    Row{"move-primary", should_move, begin_draining,
        "an operator, maintenance or a shutdown of the machine asks for another primary"},
    Row{"sync-rule", rule_should_change, change_rule,
        "the rule follows the health of the standbys; durable before the primary is told (R1, R3)"},
};

}  // namespace

std::span<const Row> steady_rows() {
    return rows;
}

}  // namespace pgaf::fsm
