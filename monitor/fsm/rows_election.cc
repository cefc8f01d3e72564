// Rows of an election and a promotion: R4, R5, R6.
#include <algorithm>
#include <array>

#include "common/mutation.h"
#include "monitor/fsm/choice.h"
#include "monitor/fsm/detection.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/lease.h"
#include "monitor/fsm/opening.h"
#include "monitor/fsm/table.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

/// How long survivors that are in reach may delay a choice that R4 already permits: their fences make the opening rule.
constexpr std::int64_t survivors_grace_ms = 300;

bool electing(const World& world) {
    return world.record.phase == Phase::electing;
}

// ---- rules that the old primary never promised (R3) ----

bool has_unpromised_rule(const World& world) {
    const Report* r = world.primary_live();
    return electing(world) && world.primary_promised() && world.record.rules.size() > 1 && !r->rule_promised.empty() &&
           world.newest_rule().id > r->rule_promised && world.newest_rule().id != world.record.rule_named;
}
void drop_unpromised_rules(World& world, const Row& row) {
    world.record.rules.pop_back();
    world.log("sync_rule_withdrawn", world.record.primary, "the last rule change had not reached the old primary", {},
              row.name);
}

// ---- complete ----

bool data_loss_allowed(const World& world) {
    return world.record.operation && world.record.operation->allow_data_loss &&
           (world.now - world.memory.phase_since).v > survivors_grace_ms;
}

bool complete(const World& world) {
    return electing(world) && !world.memory.complete_since && completeness(world).any();
}
void note_complete(World& world, const Row&) {
    world.memory.complete_since = world.now;
}

bool members_fenced_or_not(const World& world) {
    const bool fenced = electing(world) && asynchronous_in_force(world) && enough_fenced(world);
    return fenced != world.memory.members_fenced_since.has_value();
}
void note_members_fenced(World& world, const Row&) {
    std::optional<Millis>& since = world.memory.members_fenced_since;
    since = since ? std::nullopt : std::optional(world.now);
}

bool word_begins_or_ends(const World& world) {
    return electing(world) &&
           world.memory.word_since.has_value() != (data_loss_allowed(world) && somebody_fenced(world));
}
void note_word(World& world, const Row&) {
    world.memory.word_since = world.memory.word_since ? std::nullopt : std::optional(world.now);
}

/// Every survivor in reach that runs as a standby has been fenced.
bool survivors_fenced(const World& world) {
    return std::all_of(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
        const Report* r = world.live(entry.first);
        if (entry.first == world.record.primary || entry.second.maintenance || entry.second.drop_wanted) return true;
        if (!world.in_reach(entry.first) || r->status != PgStatus::running) return true;
        return fenced(world, entry.second) || forwarding(world, entry.second);
    });
}

bool enough_for_opening(const World& world, const Choice& choice) {
    if (choice.goes_on) return false;
    const SyncRule rule = opening_rule(world, choice.node);
    return rule.members.size() >= std::max<std::uint32_t>(rule.k, 1);
}

Outcome outcome(const World& world) {
    if (!electing(world)) return {};
    const bool by_word = data_loss_allowed(world);
    if (!world.memory.complete_since && !by_word) return {};
    Outcome outcome = choose(world, by_word);
    if (!outcome.choice) return outcome;
    const Choice& choice = *outcome.choice;
    const std::int64_t waited = (world.now - world.memory.complete_since.value_or(world.memory.phase_since)).v;
    // A primary that promised and runs goes on at once. Otherwise survivors get a moment to join the opening rule.
    const bool runs_on = choice.goes_on && !world.primary_exited();
    if (!runs_on && !survivors_fenced(world) && waited < survivors_grace_ms && !enough_for_opening(world, choice))
        return {};
    // One that has exited, or could not be promoted a moment ago, is taken again only when nobody else can be fenced in
    // time: its start takes longer than a promotion.
    const NodeView* v = world.view(choice.node);
    const bool has_exited = !runs_on && !world.record.planned;
    const bool is_slower = choice.goes_on && (has_exited || (v && v->promotion_failed));
    if (is_slower && !survivors_fenced(world) &&
        waited < static_cast<std::int64_t>(world.record.settings.node_timeout_ms))
        return {};
    // Whoever is to go on, or opens alone, or is taken by an operator's word, does so only when those that can do
    // better have had time to come back.
    if (!runs_on && reconnecting(world) && (by_word || !enough_for_opening(world, choice))) return {};
    // The candidate of a switchover gets time to confirm before another one, or the old primary, is taken.
    if (world.record.planned && choice.node != world.record.preferred && world.in_reach(world.record.preferred) &&
        waited < confirm_limit_ms)
        return {};
    return outcome;
}

// ---- fast forward ----

bool should_forward(const World& world) {
    const Outcome o = outcome(world);
    return o.forward && o.forward != world.record.forward;
}
void begin_forward(World& world, const Row& row) {
    const FastForward forward = *outcome(world).forward;
    if (world.record.forward) world.memory.forwards_given_up.push_back(*world.record.forward);
    world.record.forward = forward;
    world.memory.forward_since = world.now;
    world.log("fast_forward", forward.node,
              forward.node.v + " streams what it lacks from " + forward.source.v + " before it is promoted",
              "up to " + forward.until.text(), row.name);
}

bool can_choose(const World& world) {
    return outcome(world).choice.has_value();
}

/// The history of a node that has left the cluster's, as it tells it.
std::vector<HistoryEntry> line_of(const ClusterRecord& record, const Report& chosen) {
    std::vector<HistoryEntry> line;
    for (std::size_t i = 0; i <= chosen.forks.size(); ++i) {
        const Timeline timeline = i < chosen.forks.size() ? chosen.forks[i].timeline : chosen.timeline;
        const HistoryEntry* known = find_timeline(record, timeline);
        // What nobody was told to begin is the cluster's from this epoch on.
        const Epoch epoch = known ? known->epoch : record.epoch;
        line.push_back({timeline, epoch, i == 0 ? Lsn{} : chosen.forks[i - 1].end, {}});
    }
    return line;
}

/// The history loses what is not on the chosen node's line: timelines assigned to promotions that came to nothing.
void keep_line_of(ClusterRecord& record, const Report& chosen) {
    if (!on_history(record, chosen)) {
        record.history = line_of(record, chosen);
        return;
    }
    std::erase_if(record.history, [&](const HistoryEntry& entry) {
        const bool ancestor = std::any_of(chosen.forks.begin(), chosen.forks.end(),
                                          [&](const TimelineFork& f) { return f.timeline == entry.timeline; });
        return entry.timeline != chosen.timeline && !ancestor;
    });
}

bool names_timeline(const Report& r, Timeline timeline) {
    return r.timeline == timeline ||
           std::any_of(r.forks.begin(), r.forks.end(), [&](const TimelineFork& f) { return f.timeline == timeline; });
}

/// With the line of a node that was promoted past the cluster come ids that the record gave to nobody. Another node
/// that took the same one by itself has other WAL under it, which no comparison of positions would show (R5).
void refuse_namesakes(World& world, const Report& chosen) {
    ClusterRecord& record = world.record;
    if (on_history(record, chosen)) return;
    for (const HistoryEntry& adopted : line_of(record, chosen)) {
        if (find_timeline(record, adopted.timeline)) continue;
        for (auto& [name, n] : record.nodes) {
            const Report* r = world.report(name);
            if (name == chosen.node || !r || !names_timeline(*r, adopted.timeline)) continue;
            const std::string id = std::to_string(adopted.timeline.v);
            n.put_back = name.v + " has a timeline " + id + " that this cluster did not give it, and timeline " + id +
                         " of " + chosen.node.v + " is the cluster's now; what only " + name.v +
                         " has is in its data folder: save it, then reset the node (stop its keeper and launcher, "
                         "empty its data and state folders, start them again)";
            world.memory.views[name].distrust = n.put_back;
            world.log("timeline_clash", name, n.put_back, {}, "R5");
        }
    }
}

void promote(World& world, const Row& row, const Choice& choice) {
    ClusterRecord& record = world.record;
    const Report& r = *world.report(choice.node);
    refuse_namesakes(world, r);
    const SyncRule rule = opening_rule(world, choice.node);
    const bool nothing_lost = world.primary_exited() && bytes_lacking(world, r) == 0;
    if (asynchronous_in_force(world) && !nothing_lost)
        world.log("loss_possible", choice.node, possible_loss(world, r), choice.evidence, row.name);
    record.highest_timeline = Timeline{record.highest_timeline.v + 1};
    keep_line_of(record, r);
    record.history.push_back({record.highest_timeline, record.epoch, std::nullopt, complete_end(r).lsn});
    if (before(record, record.floor, complete_end(r)) || record.floor.timeline.empty()) record.floor = complete_end(r);
    record.highest_end = choice.required;
    record.last_rule = RuleId{record.last_rule.v + 1};
    record.rules = {{record.last_rule, rule}};
    record.primary = choice.node;
    record.primary_incarnation = record.nodes.at(choice.node).incarnation;
    record.permit = StartPermit{r.boot, r.exits};
    // It was answered before it is told, and holds no lease of a primary yet.
    record.lease_told = {};
    world.memory.primary_answered = world.now;
    world.memory.primary_end = complete_end(r);
    ++record.failovers;
    world.log("node_chosen", choice.node,
              choice.node.v + " is promoted to timeline " + std::to_string(record.highest_timeline.v) +
                  ", opens with " + (rule.asynchronous() ? "asynchronous replication" : standby_names(record, rule)),
              choice.evidence, row.name);
}

void carry_out_choice(World& world, const Row& row) {
    const Choice choice = *outcome(world).choice;
    ClusterRecord& record = world.record;
    if (choice.goes_on) {
        const Report* r = world.primary_live();
        record.permit = StartPermit{r->boot, r->exits};
        if (broken(Mutation::r4_goes_on)) record.rules = {{record.last_rule, opening_rule(world, choice.node)}};
        const char* kind = record.planned                   ? "switchover_undone"
                           : r->status == PgStatus::running ? "false_alarm"
                                                            : "primary_chosen_again";
        world.log(kind, choice.node, choice.node.v + " goes on as primary", choice.evidence, row.name);
    } else {
        promote(world, row, choice);
    }
    record.chosen = choice.node;
    record.primary_end = {};
    record.forward.reset();
    record.primary_epoch = record.epoch;
    world.memory.chosen_at = world.now;
    world.memory.further_ids = 0;
    world.enter(Phase::promoting);
}

// ---- another timeline id ----

/// Nothing was promoted in this epoch: the primary is the one from before.
bool went_on(const ClusterRecord& record) {
    return record.history.empty() || record.history.back().epoch != record.epoch;
}

constexpr std::uint32_t further_ids_at_most = 3;

/// The chosen node has said for a while why it is not promoted, and nobody else can be (promotion-failed goes first).
/// It may be the id: a promotion that was broken off leaves a history file, and no id is used twice (I10).
bool should_get_another_id(const World& world) {
    const Report* r = world.primary_live();
    if (world.record.phase != Phase::promoting || went_on(world.record) || !r || world.primary_runs()) return false;
    if (r->problem.empty() || r->promised.epoch != world.record.epoch ||
        world.memory.further_ids >= further_ids_at_most)
        return false;
    if (r->timeline >= world.record.history.back().timeline || (r->status != PgStatus::stopped && !r->in_recovery))
        return false;
    const std::int64_t patience =
        static_cast<std::int64_t>(world.record.settings.node_timeout_ms) * (world.memory.further_ids + 1);
    return (world.now - world.memory.chosen_at).v >= patience;
}
void give_another_id(World& world, const Row& row) {
    ClusterRecord& record = world.record;
    const HistoryEntry before = record.history.back();
    ++world.memory.further_ids;
    record.highest_timeline = Timeline{record.highest_timeline.v + 1};
    // The one before stays in the history: the node may just have begun it, with commits that its survivors confirmed.
    // An entry whose fork is never heard of is passed over (R5).
    record.history.push_back({record.highest_timeline, record.epoch, std::nullopt, before.floor});
    world.log("timeline_assigned", record.primary,
              record.primary.v + " gets timeline " + std::to_string(record.highest_timeline.v) +
                  ", as it was not promoted to timeline " + std::to_string(before.timeline.v),
              world.primary_live()->problem, row.name);
}

// ---- open again ----

bool opened(const World& world) {
    return world.record.phase == Phase::promoting && world.primary_serves();
}

/// The answer to the command under way.
struct Result {
    bool ok = true;
    std::string message;
};
Result result_of(const ClusterRecord& record, bool undone, Millis pause) {
    const Operation& operation = *record.operation;
    if (undone) {
        const std::string why = record.planned ? "the candidate could not confirm the last WAL in time"
                                               : "no other node has all of its WAL";
        return {false, why + ": " + record.primary.v + " goes on as primary in a new epoch"};
    }
    const std::string is = record.primary.v + " is primary, writes paused for " + seconds(pause);
    if (operation.node.empty() || operation.node == record.primary) return {true, is};
    return {false, operation.node.v + " could not take over in time: " + is};
}

void finish_takeover(World& world, const Row& row) {
    ClusterRecord& record = world.record;
    const bool same = went_on(record);
    // Somebody wanted another primary, and there is none.
    const bool undone = same && (record.planned || record.exclude_primary);
    const Memory& m = world.memory;
    const Millis pause = world.now - m.epoch_began;
    for (auto& [name, v] : world.memory.views) v.promotion_failed = false;
    if (!same)
        world.out.takeovers.push_back({record.planned ? "switchover" : "failover", record.reason,
                                       m.epoch_began - m.triggered, m.chosen_at - m.epoch_began,
                                       world.now - m.chosen_at});
    ++record.checkpoint_request;
    world.log(same             ? "primary_goes_on"
              : record.planned ? "switchover_finished"
                               : "failover_finished",
              record.primary, record.primary.v + " takes writes in epoch " + std::to_string(record.epoch.v),
              "detection " + seconds(m.epoch_began - m.triggered) + ", fencing " +
                  seconds(m.chosen_at - m.epoch_began) + ", promotion " + seconds(world.now - m.chosen_at),
              row.name);
    if (undone)
        record.nodes.at(record.primary).maintenance_wanted = record.nodes.at(record.primary).drop_wanted = false;
    world.enter(Phase::steady);
    if (record.operation) {
        const bool goes_on = record.operation->kind == "enable-maintenance" || record.operation->kind == "drop-node";
        const Result result = result_of(record, undone, pause);
        if (!goes_on || (undone && record.operation->node == record.primary))
            finish_operation(world, result.ok, result.message, pause);
    }
    record.planned = record.exclude_primary = false;
    record.reason.clear();
    record.chosen = record.preferred = {};
}

constexpr std::array rows{
    Row{"rule-never-promised", has_unpromised_rule, drop_unpromised_rules,
        "a rule that the old primary's state file never held can't be in force (R3)"},
    Row{"lease-counts", members_fenced_or_not, note_members_fenced,
        "with all members fenced no standby carries the old primary's lease any more: from here on it runs out (R7)"},
    Row{"fence-complete", complete, note_complete,
        "no commit can be acknowledged under the old epoch any more, or the old primary itself has promised (R4)"},
    Row{"word", word_begins_or_ends, note_word,
        "an operator accepts loss and somebody is fenced; the others in reach get a limited time to be (R12)"},
    Row{"fast-forward", should_forward, begin_forward,
        "the best candidate lacks WAL that another fenced node has, and fetches it first (R5)"},
    Row{"choice", can_choose, carry_out_choice,
        "the choice is durable and final in its epoch; the timeline is assigned with it (R5, R6)"},
    Row{"another-id", should_get_another_id, give_another_id,
        "a chosen node that can't take its timeline id, and whom nobody can replace, gets another (R5)"},
    Row{"takeover-finished", opened, finish_takeover, "the chosen node takes writes on its assigned timeline"},
};

}  // namespace

std::span<const Row> election_rows() {
    return rows;
}

}  // namespace pgaf::fsm
