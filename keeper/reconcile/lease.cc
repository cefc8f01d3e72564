#include "keeper/reconcile/lease.h"

#include <algorithm>
#include <functional>

#include "common/mutation.h"
#include "keeper/reconcile/promise.h"
#include "keeper/reconcile/run.h"

namespace pgaf::keeper {
namespace {

/// Marks that nobody has confirmed yet: older ones would carry no lease any more.
constexpr std::size_t marks_at_most = 256;

/// The rule that the standbys' answers are judged by: the newest that was promised, which is in force or has to be for
/// an election to count. A fence names none, so it is then the one that this run of the keeper has proved.
const SyncRule* rule_of(const Promise& promise, const Run& run) {
    if (promise.goal->role == Role::primary) return &promise.goal->rule.rule;
    return run.rule_kept.id.empty() ? nullptr : &run.rule_kept.rule;
}

/// From when on the standbys carry the lease; nothing: they don't.
std::optional<Millis> carried_by_standbys(const Promise& promise, const Run& run) {
    const SyncRule* rule = rule_of(promise, run);
    if (rule == nullptr) return std::nullopt;
    std::vector<Millis> times;
    for (const IncarnationId& member : rule->members)
        if (const auto found = run.lease.confirmed.find(member); found != run.lease.confirmed.end())
            times.push_back(found->second);
    // R7: an election is complete when all members are fenced, and it counts from the last of them; to be on the safe
    // side of that, all have to answer.
    const std::size_t needed = promise.goal->asynchronous ? rule->members.size() : rule->k;
    if (needed == 0 || times.size() < needed) return std::nullopt;
    std::sort(times.begin(), times.end(), std::greater<>());
    return times[needed - 1];
}

bool server_lives(const Facts& facts) {
    return facts.status == PgStatus::starting || facts.status == PgStatus::running ||
           facts.status == PgStatus::stopping || facts.status == PgStatus::stuck;
}

Millis later(Millis a, std::int64_t ms) {
    return Millis{a.v + ms};
}

}  // namespace

void note_session(LeaseClock& lease) {
    lease.heard.reset();
}

void note_answer(LeaseClock& lease, Millis sent, bool carries) {
    lease.heard = std::max(lease.heard.value_or(sent), sent);
    if (carries) lease.answered = std::max(lease.answered.value_or(sent), sent);
}

void note_goal(LeaseClock& lease, const std::optional<Stamp>& given, const Goal& goal) {
    // One that comes again says nothing of the answers since: they may be of after another node was chosen.
    const bool newer = !given || (*given != goal.stamp && may_follow(*given, goal.stamp));
    if (!newer || goal.role != Role::primary || !lease.heard) return;
    lease.answered = std::max(lease.answered.value_or(*lease.heard), *lease.heard);
}

void note_mark(LeaseClock& lease, Lsn lsn, Millis written) {
    if (lsn.empty()) return;
    lease.marks.push_back({lsn, written});
    if (lease.marks.size() > marks_at_most) lease.marks.erase(lease.marks.begin());
}

void note_confirmed(LeaseClock& lease, const std::vector<WalsenderView>& standbys) {
    for (const WalsenderView& standby : standbys) {
        const auto newest = std::find_if(lease.marks.rbegin(), lease.marks.rend(),
                                         [&](const LeaseMark& mark) { return mark.lsn <= standby.flushed; });
        if (newest == lease.marks.rend()) continue;
        Millis& confirmed = lease.confirmed[standby.incarnation];
        confirmed = std::max(confirmed, newest->written);
    }
}

bool needs_lease(const Promise& promise) {
    if (!promise.goal || broken(Mutation::r8)) return false;
    const Goal& goal = *promise.goal;
    return (goal.role == Role::primary || goal.role == Role::fence) && goal.lease > Millis{0} && !goal.irreplaceable;
}

Millis lease_until(const Promise& promise, const Run& run) {
    Millis from = run.lease.answered.value_or(run.lease.began);
    if (const auto carried = carried_by_standbys(promise, run)) from = std::max(from, *carried);
    return later(from, promise.goal ? promise.goal->lease.v : 0);
}

bool lease_over(const Promise& promise, const Run& run) {
    return needs_lease(promise) && run.lease.now >= lease_until(promise, run);
}

bool cannot_wait(const Step& step, const Promise& promise, const Run& run) {
    const auto* const stop = std::get_if<Stop>(&step);
    return stop != nullptr && stop->mode == StopMode::immediate && lease_over(promise, run);
}

bool wants_mark(const Promise& promise, const Run& run, const Facts& facts) {
    if (!needs_lease(promise) || facts.status != PgStatus::running || facts.in_recovery) return false;
    const Millis answered = run.lease.answered.value_or(run.lease.began);
    // Early enough for a first answer of the standbys before the shortest lease is over: node_timeout and two
    // heartbeats, of which the next pulse may take one, and the look that shows the answer another.
    return !run.monitor_in_reach || run.lease.now >= later(answered, run.node_timeout.v / 2);
}

std::string lease_text(const Promise& promise, const Run& run) {
    const SyncRule* rule = rule_of(promise, run);
    std::string names;
    for (const Peer& peer : promise.goal->peers)
        if (rule != nullptr && rule->contains(peer.incarnation)) names += (names.empty() ? "" : ", ") + peer.node.v;
    std::string standbys = "any standby";
    if (!names.empty() && promise.goal->asynchronous) standbys = "all of its standbys (" + names + ")";
    if (!names.empty() && !promise.goal->asynchronous) standbys = std::to_string(rule->k) + " of " + names;
    return "neither the monitor nor " + standbys + " answered within its lease of " +
           std::to_string(promise.goal->lease.v) + " ms, so another node may have been promoted (R8)";
}

std::optional<Millis> launcher_deadline(const Promise& promise, const Run& run, const Facts& facts) {
    if (!promise.goal || !server_lives(facts)) return std::nullopt;
    const Role role = promise.goal->role;
    // A standby has none; the launcher may hold one yet, from a promise that is gone. One that was to be promoted a
    // moment ago, and is not any more, may still become a primary: until it receives WAL, it keeps it.
    if (role != Role::primary && facts.in_recovery)
        return facts.receiver.streaming ? std::optional(Millis{0}) : std::nullopt;
    if (role != Role::primary && role != Role::fence) return std::nullopt;
    if (!needs_lease(promise)) return Millis{0};
    const bool acknowledges = !facts.in_recovery && (facts.open_to_clients || facts.client_sessions > 0);
    if (!promise.goal->asynchronous) {
        // A keeper that can't close it (a disk that hangs, a postmaster that does not reload) is no better than one
        // that is gone: it must not keep the launcher from doing it.
        const bool unclosed = acknowledges && lease_over(promise, run);
        return later(unclosed ? lease_until(promise, run) : run.lease.now, promise.goal->keeper_timeout.v);
    }
    // A keeper that has just been started again has heard nobody yet: what the one before it was told holds.
    if (!run.lease.answered && !carried_by_standbys(promise, run)) return std::nullopt;
    // One that was chosen again and has heard nobody since: it is let acknowledge nothing before there is an end to
    // hold (guarded), so it need not be stopped for one that has passed.
    const bool armed = run.lease.armed.value_or(Millis{0}) > Millis{0};
    if (lease_over(promise, run) && !armed && !acknowledges) return std::nullopt;
    return lease_until(promise, run);
}

bool guarded(const Promise& promise, const Run& run) {
    if (!needs_lease(promise) || !promise.goal->asynchronous) return true;
    return run.lease.armed && *run.lease.armed > Millis{0} && *run.lease.armed <= lease_until(promise, run);
}

}  // namespace pgaf::keeper
