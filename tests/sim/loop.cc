// Looking, deciding, stepping: the order of keeper/service/loop.cc.
#include "tests/sim/loop.h"

#include <algorithm>

#include "keeper/reconcile/report.h"
#include "tests/sim/checks.h"
#include "tests/sim/launcher.h"
#include "tests/sim/lease.h"
#include "tests/sim/replication.h"
#include "tests/sim/steps.h"

namespace pgaf::sim {
namespace {

constexpr Micros restless = 10 * sec;
constexpr Micros restless_look = 100 * ms;
constexpr Micros peers_again = 5 * sec;
constexpr Micros first_look_limit = 2 * sec;
constexpr Micros first_retry = 200 * ms;
constexpr Micros longest_retry = 10 * sec;

std::string key_of(const keeper::Step& step, const Keeper& k) {
    return keeper::step_name(step) + std::to_string(k.promise.promised.version.v);
}

bool on_hold(const World& w, const Keeper& k, const keeper::Step& step) {
    return k.failed_key == key_of(step, k) && w.now < k.retry_at;
}

/// What a look shows grows worse by time alone.
bool in_trouble(const Machine& m) {
    return m.writes != Writes::done || (m.server && m.server->gives_no_session);
}

/// The state file can be written.
bool takes_promises(const Machine& m) {
    return !m.bad_state_disk && (m.writes == Writes::done || !m.state_beside_data);
}

Micros next_look(const World& w, NodeIx node) {
    const Keeper& k = *w.keepers[node];
    Micros wait = w.now < k.restless_until ? std::min(k.heartbeat, restless_look) : k.heartbeat;
    if (!k.failed_key.empty() && k.retry_at > w.now) wait = std::min(wait, k.retry_at - w.now);
    // Nor does the end of a lease wait for the heartbeat.
    if (keeper::needs_lease(k.promise) && !keeper::lease_over(k.promise, k.run))
        wait = std::min(wait, std::max((keeper::lease_until(k.promise, k.run).v - boot_time(w, node).v) * ms, ms));
    return wait;
}

IncarnationId fresh_id(World& w, NodeIx node) {
    return id_of(make_inc(node, ++w.machines[node].edit().incarnations));
}

void check_folder(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    if (k.under_way || k.unsettled || k.changing_folder || k.writing) return;
    if (keeper::look_at_folder(k.promise, k.facts).kind == keeper::FolderNews::Kind::same) return;
    k.changing_folder = true;
    ask_for_change(w, node, Change::folder);
}

void took(World& w, NodeIx node, keeper::Facts seen) {
    Keeper& k = w.keepers[node].edit();
    k.facts = std::move(seen);
    k.run.lease.now = boot_time(w, node);
    if (!k.under_way) k.unsettled.reset();
    if (k.run.peers_put_off && w.now >= k.peers_again_at) k.run.peers_put_off = false;
    if (!keeper::lacks_stream(k.promise, k.facts)) k.streamed_at = w.now;
    k.run.without_stream = Millis{(w.now - k.streamed_at) / ms};
    keeper::note_facts(k.run, k.promise, k.facts);
    if (!k.session_asked && k.facts.status != PgStatus::unknown) open_session(w, node);
    if (k.session_asked && k.session_incarnation != k.promise.incarnation) open_session(w, node);
    check_folder(w, node);
    think(w, node);
    hold_deadline(w, node);
    consider_let_go(w, node);
    if (w.keepers[node]->report_due)
        send_report(w, node);
    else
        report_if_news(w, node);
    const Micros wait = k.facts.end_pending ? ms : next_look(w, node);
    plan_look(w, node, wait, wait);
}

void think_under_way(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    if (!k.under_way || k.cancelling) return;
    const std::string why = keeper::obsolete(k.under_way->step, k.promise, k.run, k.facts);
    if (why.empty()) return;
    w.say(node, [&] { return "gives up " + keeper::step_name(k.under_way->step) + ": " + why; });
    k.cancelling = true;
    w.after(100, ms, {Ev::step, node, k.boot});
}

void begin(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    const keeper::Step step = *k.decision.step;
    w.say(node, [&] { return keeper::step_text(step) + "   [" + std::string(k.decision.rule) + "]"; });
    check_acts(w, node);
    k.unsettled = step;
    k.under_way = StepRun{step, 0, w.now, 0, {}, {}, true};
    k.cancelling = false;
    keeper::note_begin(k.run, step);
    keeper::note_self_fence(k.run, k.decision.rule, k.decision.problem);
    w.after(50, ms, {Ev::step, node, k.boot});
    report_if_news(w, node);
}

// ---- the promise ----------------------------------------------------------------------------------------------------

struct Wanted {
    std::optional<keeper::Promise> promise;
    bool accepted = true;
};

/// What the change that is next would make of the promise; asked when every change before it is durable.
Wanted wanted(World& w, NodeIx node, Change change) {
    Keeper& k = w.keepers[node].edit();
    if (change == Change::step) return {keeper::after_step(k.promise, *k.step_done), true};
    if (change == Change::goal) {
        const keeper::Verdict verdict = keeper::judge(k.promise, *k.taking);
        if (!verdict.accepted || !verdict.news) return {std::nullopt, verdict.accepted};
        return {keeper::accept(k.promise, *k.taking), true};
    }
    if (k.under_way || k.unsettled) return {std::nullopt, true};
    keeper::Promise next = k.promise;
    switch (keeper::look_at_folder(k.promise, k.facts).kind) {
        case keeper::FolderNews::Kind::replaced:
            return {keeper::new_incarnation(next, fresh_id(w, node)), true};
        case keeper::FolderNews::Kind::made:
            break;
        case keeper::FolderNews::Kind::same:
            return {std::nullopt, true};
    }
    next.has_folder = true;
    if (next.system_id.empty()) next.system_id = k.facts.system_id;
    return {next, true};
}

void changed(World& w, NodeIx node, Change change, bool done, bool accepted, const IncarnationId& before) {
    Keeper& k = w.keepers[node].edit();
    const bool new_one = k.promise.incarnation != before;
    if (change == Change::goal) return goal_taken(w, node, done, accepted);
    if (change == Change::folder) return folder_changed(w, node, new_one);
    k.step_done.reset();
    if (new_one) {
        k.run.goal_received = false;
        k.run.next = fresh_id(w, node);
    }
    step_ended(w, node, {});
}

void next_change(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    while (!k.writing && !k.changes.empty()) {
        const Change change = k.changes.front();
        k.changes.erase(k.changes.begin());
        const Wanted want = wanted(w, node, change);
        if (want.promise && *want.promise != k.promise) {
            k.writing = want.promise;
            k.writing_for = change;
            const Micros slow = w.machines[node]->slow_disk ? 300 : 1;
            return w.after(500 * slow, 4 * ms * slow, {Ev::stored, node, k.boot});
        }
        changed(w, node, change, false, want.accepted, k.promise.incarnation);
    }
}

}  // namespace

void ask_for_change(World& w, NodeIx node, Change change) {
    w.keepers[node].edit().changes.push_back(change);
    next_change(w, node);
}

void on_stored(World& w, NodeIx node, std::uint32_t boot) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot || !k.writing) return;
    const Change change = k.writing_for;
    const keeper::Promise written = *std::exchange(k.writing, std::nullopt);
    const IncarnationId before = k.promise.incarnation;
    if (!takes_promises(*w.machines[node])) {
        k.state_trouble = "cannot write the state file";
        // Each change gives up in its own way: a goal is tried again, the folder looked at again, a step is over.
        if (change == Change::goal) {
            if (!k.inbox) k.inbox = k.taking;
            k.taking.reset();
            w.after(sec, sec, {Ev::state_again, node, boot});
            report_if_news(w, node);
        } else if (change == Change::folder) {
            k.changing_folder = false;
        } else {
            k.step_done.reset();
            step_ended(w, node, {});
        }
        return next_change(w, node);
    }
    w.machines[node].edit().disk.state = written;
    k.promise = written;
    k.state_trouble.clear();
    if (change == Change::goal) check_promised(w, node, written.promised);
    changed(w, node, change, true, true, before);
    next_change(w, node);
}

// ---- looking --------------------------------------------------------------------------------------------------------

void plan_look(World& w, NodeIx node, Micros low, Micros high) {
    Keeper& k = w.keepers[node].edit();
    // A ring while a look is planned sooner anyway makes no other one.
    if (k.look_planned > w.now && k.look_planned <= w.now + high) return;
    const Micros wait = w.between(low, high);
    k.look_planned = w.now + wait;
    w.after(wait, wait, {Ev::look, node, ++k.look_timer});
}

void stir(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.restless_until = w.now + restless;
    plan_look(w, node, 200, 3 * ms);
}

void on_look(World& w, NodeIx node, std::uint32_t timer) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.look_timer != timer) return;
    k.look_planned = 0;
    // Nothing has changed that this look could show, and nothing waits for it: it is left out.
    const std::uint64_t edits = w.machines[node].edits();
    if (k.machine_seen == edits && k.settled_look && !k.report_due && k.failed_key.empty() && !k.run.peers_put_off &&
        !lease_is_short(w, node) && !in_trouble(*w.machines[node]))
        return plan_look(w, node, next_look(w, node), next_look(w, node));
    ++w.count.looks;
    const bool mark = std::exchange(k.mark_due, false);
    keeper::Facts seen = observe(w, node, mark);
    if (mark) keeper::note_mark(k.run.lease, write_mark(w, node), boot_time(w, node));
    k.machine_seen = w.machines[node].edits();
    if (w.chance(0.1)) {
        // Its answer takes a while: what it shows is old by then.
        k.pending_look = std::move(seen);
        k.pending_after = k.steps_ended;
        return w.after(ms, 20 * ms, {Ev::looked, node, k.boot});
    }
    took(w, node, std::move(seen));
    Keeper& after = w.keepers[node].edit();
    after.settled_look = !after.under_way && !after.unsettled && !after.writing && after.session_alive &&
                         !after.facts.leaving && !after.facts.end_pending;
}

void on_looked(World& w, NodeIx node, std::uint32_t boot) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot || !k.pending_look) return;
    keeper::Facts seen = *std::exchange(k.pending_look, std::nullopt);
    k.machine_seen = 0;
    // Begun before a step's end: it may show what was before the step.
    if (k.pending_after != k.steps_ended) return plan_look(w, node, 200, 2 * ms);
    took(w, node, std::move(seen));
}

void on_pulse(World& w, NodeIx node, std::uint32_t boot) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot) return;
    const Micros half = std::max<Micros>(k.heartbeat / 2, ms);
    k.second_half = !k.second_half;
    w.after(half, half + ms, {Ev::pulse, node, boot});
    if (k.second_half) {
        pass_time(w, node);
        k.report_due = true;
        k.mark_due = keeper::wants_mark(k.promise, k.run, k.facts);
        // What the launcher holds must not depend on whether PostgreSQL answers.
        hold_deadline(w, node);
        return plan_look(w, node, 100, ms);
    }
    if (!k.session_asked && k.since_heard >= first_look_limit) open_session(w, node);
    if (w.keepers[node]->report_due) send_report(w, node);
}

void pass_time(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    const Micros passed = std::min(w.now - k.time_passed_at, 2 * k.heartbeat);
    k.time_passed_at = w.now;
    k.run.lease.now = boot_time(w, node);
    k.since_heard += passed;
    k.since_decided += passed;
    const Millis since{k.since_heard / ms};
    k.run.monitor_in_reach = k.session_alive && !k.in_doubt && since < k.run.node_timeout;
    k.run.monitor_away = k.run.monitor_in_reach ? Millis{0} : k.in_doubt ? Millis{k.since_decided / ms} : since;
}

// ---- deciding and stepping ------------------------------------------------------------------------------------------

void think(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.run.lease.now = boot_time(w, node);
    if (k.under_way) return think_under_way(w, node);
    if (k.unsettled || k.changing_folder) return;
    keeper::Decision next = keeper::reconcile(k.promise, k.run, k.facts);
    // A promise that is being written is decided on when it is durable.
    if (k.writing && !(next.step && keeper::cannot_wait(*next.step, k.promise, k.run))) return;
    k.decision = std::move(next);
    if (k.decision.settled) keeper::note_settled(k.run);
    if (k.decision.step && !on_hold(w, k, *k.decision.step)) begin(w, node);
}

void step_ended(World& w, NodeIx node, const std::string& why) {
    Keeper& k = w.keepers[node].edit();
    const keeper::Step step = k.under_way->step;
    if (why.empty()) {
        keeper::note_done(k.run, step);
        k.failed_key.clear();
        k.failures = 0;
    } else if (k.cancelling) {
        keeper::note_failed(k.run, step, why, true);
    } else {
        w.say(node, [&] { return keeper::step_name(step) + " failed: " + why; });
        keeper::note_failed(k.run, step, why, false);
        const std::string key = key_of(step, k);
        k.failures = key == k.failed_key ? k.failures + 1 : 1;
        k.failed_key = key;
        k.retry_at = w.now + std::min<Micros>(first_retry << std::min(k.failures - 1, 20U), longest_retry);
    }
    if (std::holds_alternative<keeper::UpdatePeers>(step)) k.peers_again_at = w.now + peers_again;
    k.under_way.reset();
    k.cancelling = false;
    ++k.steps_ended;
    k.machine_seen = 0;
    stir(w, node);
}

// ---- the process ----------------------------------------------------------------------------------------------------

void start_keeper(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    const std::uint32_t boot = ++m.boots;
    Keeper k;
    k.boot = boot;
    if (m.disk.state_damaged) {
        k.no_start = true;
        w.keepers[node] = Cow<Keeper>(std::move(k));
        return;
    }
    if (!m.disk.state) {
        keeper::Promise fresh;
        fresh.cluster = cluster_name;
        fresh.node = name_of(node);
        fresh.incarnation = fresh_id(w, node);
        w.machines[node].edit().disk.state = fresh;
    }
    k.alive = true;
    k.promise = *w.machines[node]->disk.state;
    k.run.boot = boot_of(node, boot);
    k.run.next = fresh_id(w, node);
    k.started = k.time_passed_at = k.streamed_at = w.now;
    k.run.lease.now = k.run.lease.began = boot_time(w, node);
    const bool launcher = w.machines[node]->launcher.alive;
    w.keepers[node] = Cow<Keeper>(std::move(k));
    w.say(node, [&] { return "the keeper starts, incarnation " + w.keepers[node]->promise.incarnation.v; });
    if (w.machines[node]->launcher.frozen)
        w.machines[node].edit().held.push_back({Ev::launcher_starts, node, w.machines[node]->launcher.life});
    else if (launcher)
        launcher_told(w, node);
    plan_look(w, node, 500, 5 * ms);
    w.after(ms, 250 * ms, {Ev::pulse, node, boot});
}

void kill_keeper(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive) return;
    if (k.writing && takes_promises(*w.machines[node]) && w.chance(0.5)) {
        w.machines[node].edit().disk.state = *k.writing;
        if (k.writing_for == Change::goal) check_promised(w, node, k.writing->promised);
    }
    close_session(w, node);
    k.alive = k.frozen = false;
    w.machines[node].edit().keeper_stopped = w.now;
    // What it runs lives no longer than its connection to the launcher.
    k.under_way.reset();
    if (w.machines[node]->launcher.leaving) end_launcher(w, node);
}

}  // namespace pgaf::sim
