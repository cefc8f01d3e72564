// The keeper: keeper/service/loop in small, around the production reconciler. A look, a decision, a step and the report
// of it are one action; a goal is made durable in another, and answered from what the last look had shown.
#include <utility>

#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/report.h"
#include "tests/sim/exhaustive/heart_memo.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

constexpr Millis node_timeout{2500};

IncarnationId fresh_id(Node& node, NodeIx n) {
    return incarnation_of(n, ++node.incarnations);
}

void note(Scene& s, NodeIx n, const keeper::Facts& facts) {
    Node& node = s.edit(n);
    keeper::note_facts(node.keeper.run, node.disk.promise, facts);
    // Launcher and keeper live as long as their machine here: the deadline is taken at once.
    if (const auto until = keeper::launcher_deadline(node.disk.promise, node.keeper.run, facts);
        until && s.search.spec.leases)
        node.keeper.run.lease.armed = until;
    node.keeper.looked = true;
}

/// True when this is another folder now.
bool look_at_folder(Scene& s, NodeIx n, const keeper::Facts& facts) {
    Node& node = s.edit(n);
    switch (keeper::look_at_folder(node.disk.promise, facts).kind) {
        case keeper::FolderNews::Kind::same:
            return false;
        case keeper::FolderNews::Kind::made:
            node.disk.promise.has_folder = true;
            if (node.disk.promise.system_id.empty()) node.disk.promise.system_id = facts.system_id;
            return false;
        case keeper::FolderNews::Kind::replaced:
            break;
    }
    node.disk.promise = keeper::new_incarnation(node.disk.promise, fresh_id(node, n));
    node.keeper.run.goal_received = false;
    s.say([&] { return name_of(n).v + " has another folder: " + node.disk.promise.incarnation.v; });
    lose_session(s, n);
    return true;
}

void ended(Scene& s, NodeIx n, const keeper::Step& step) {
    Node& node = s.edit(n);
    keeper::Promise after = keeper::after_step(node.disk.promise, step);
    const bool new_one = after.incarnation != node.disk.promise.incarnation;
    node.disk.promise = std::move(after);
    if (new_one) {
        node.keeper.run.goal_received = false;
        node.keeper.run.next = fresh_id(node, n);
        lose_session(s, n);
    }
    keeper::note_done(s.edit(n).keeper.run, step);
}

bool at_once(const keeper::Step& step) {
    return std::holds_alternative<keeper::UpdatePeers>(step) || std::holds_alternative<keeper::Checkpoint>(step) ||
           std::holds_alternative<keeper::Adopt>(step);
}

/// The step under way is wanted no longer.
bool give_up(Scene& s, NodeIx n, const keeper::Facts& facts) {
    Node& node = s.edit(n);
    const std::string why = keeper::obsolete(*node.keeper.under_way, node.disk.promise, node.keeper.run, facts);
    if (why.empty()) return false;
    s.say([&] { return name_of(n).v + " gives up " + keeper::step_name(*node.keeper.under_way) + ": " + why; });
    keeper::note_failed(node.keeper.run, *node.keeper.under_way, why, true);
    node.keeper.under_way.reset();
    return true;
}

}  // namespace

void lose_session(Scene& s, NodeIx n) {
    Keeper& k = s.edit(n).keeper;
    const auto bit = static_cast<std::uint8_t>(1U << n);
    if (k.connected && (s.world.with_rival & bit) == 0) s.world.closing |= bit;
    s.world.with_rival &= static_cast<std::uint8_t>(~bit);
    k.connected = false;
    k.run.monitor_in_reach = false;
    k.sent = 0;
}

void start_keeper(Scene& s, NodeIx n) {
    Node& node = s.edit(n);
    if (node.disk.promise.incarnation.empty()) {
        node.disk.promise.cluster = ClusterName{"c"};
        node.disk.promise.node = name_of(n);
        node.disk.promise.incarnation = fresh_id(node, n);
    }
    node.keeper = {};
    node.keeper.alive = true;
    node.keeper.run.boot = BootId{name_of(n).v + "-" + std::to_string(++node.boots)};
    node.keeper.run.next = fresh_id(node, n);
    node.keeper.run.node_timeout = node_timeout;
    if (s.search.spec.leases) node.keeper.run.lease.now = node.keeper.run.lease.began = keeper_now;
}

void kill_keeper(Scene& s, NodeIx n) {
    lose_session(s, n);
    s.edit(n).keeper = {};
}

void note_answered(Scene& s, NodeIx n) {
    const fsm::ClusterRecord& record = s.monitor().record;
    const bool primary = s.monitor().alive && record.doubt.empty() && record.primary == name_of(n) &&
                         record.primary_incarnation == s.node(n).disk.promise.incarnation;
    if (s.search.spec.leases && primary) s.edit(n).keeper.run.lease.answered = keeper_now;
}

void age_leases(Scene& s) {
    if (!s.search.spec.leases) return;
    // Older than any lease is old.
    const auto age = [](Millis& when) {
        when = std::max(Millis{when.v - node_timeout.v}, Millis{keeper_now.v - 2 * node_timeout.v});
    };
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        if (!s.node(n).keeper.alive) continue;
        Node& node = s.edit(n);
        keeper::LeaseClock& lease = node.keeper.run.lease;
        age(lease.began);
        if (lease.answered) age(*lease.answered);
        if (lease.armed && *lease.armed > Millis{0}) age(*lease.armed);
        for (auto& [name, when] : lease.confirmed) age(when);
        if (!keeper::wants_mark(node.disk.promise, node.keeper.run, observe(s, n))) continue;
        for (const Sender& sender : node.server.senders)
            if (sender.connected) lease.confirmed[sender.name] = keeper_now;
    }
}

bool act(Scene& s, NodeIx n) {
    bool changed = false;
    bool stepped = false;
    for (int round = 0; round < 8; ++round) {
        const keeper::Facts facts = observe(s, n);
        note(s, n, facts);
        if (s.node(n).keeper.under_way) return give_up(s, n, facts) || changed;
        if (look_at_folder(s, n, facts)) {
            changed = true;
            continue;
        }
        Node& node = s.edit(n);
        const keeper::Decision d = keeper::reconcile(node.disk.promise, node.keeper.run, facts);
        node.keeper.problem = !d.problem.empty();
        if (!d.step || (stepped && !at_once(*d.step))) break;
        const keeper::Step step = *d.step;
        const Node before = node;
        keeper::note_begin(node.keeper.run, step);
        check_begins(s, n, step);
        const Progress progress = perform(s, n, step);
        if (progress == Progress::waits) {
            s.edit(n) = before;
            break;
        }
        s.say([&] { return name_of(n).v + ": " + keeper::step_text(step) + "   [" + std::string(d.rule) + "]"; });
        if (progress == Progress::begun)
            s.edit(n).keeper.under_way = step;
        else
            ended(s, n, step);
        changed = true;
        stepped = stepped || !at_once(step);
    }
    return changed;
}

bool finish_step(Scene& s, NodeIx n) {
    if (!s.node(n).keeper.under_way || s.node(n).server.life != Life::running) return false;
    const Progress progress = go_on(s, n);
    if (progress == Progress::waits) return false;
    if (progress == Progress::begun) return true;
    const keeper::Step step = *s.node(n).keeper.under_way;
    s.say([&] { return name_of(n).v + ": " + keeper::step_name(step) + " is done"; });
    s.edit(n).keeper.under_way.reset();
    ended(s, n, step);
    return true;
}

void take_goal(Scene& s, NodeIx n, const Goal& goal) {
    Node& node = s.edit(n);
    const keeper::Verdict verdict = keeper::judge(node.disk.promise, goal);
    if (!verdict.accepted) return s.say([&] { return name_of(n).v + " refuses a goal: " + verdict.why; });
    node.keeper.run.goal_received = node.keeper.heard = true;
    if (node.keeper.connected) {
        node.keeper.run.monitor_in_reach = true;
        node.keeper.run.monitor_away = {};
    }
    if (!verdict.news) return;
    node.disk.promise = keeper::accept(node.disk.promise, goal);
    s.say([&] {
        return name_of(n).v + " promises " + std::string(word(goal.role)) +
               (goal.upstream.empty() ? "" : " of " + goal.upstream.v) + ", epoch " +
               std::to_string(goal.stamp.epoch.v) + " version " + std::to_string(goal.stamp.version.v) +
               (goal.role == Role::primary ? ", rule " + std::to_string(goal.rule.id.v) : "");
    });
    check_promised(s, n);
}

Report look_and_report(Scene& s, NodeIx n) {
    keeper::Facts facts = observe(s, n);
    note(s, n, facts);
    Node& node = s.edit(n);
    if (!node.keeper.under_way) {
        // The loop begins what is due before it reports: of a server that is being started it says so.
        const keeper::Decision d = keeper::reconcile(node.disk.promise, node.keeper.run, facts);
        node.keeper.problem = !d.problem.empty();
        if (d.step) facts = keeper::meanwhile(std::move(facts), *d.step);
    }
    // What nobody's decision depends on would only multiply the states.
    Report r =
        keeper::make_report(node.disk.promise, node.keeper.run, facts, {}, node.keeper.problem ? "a problem" : "");
    r.rebuilt.clear();
    // A few more than the production loop tells (R11).
    if (stores_change) r.goal = node.disk.promise.goal ? node.disk.promise.goal : node.disk.promise.before;
    return r;
}

std::uint32_t news(Scene& s, NodeIx n) {
    if (!s.node(n).keeper.connected) return 0;
    Report now = look_and_report(s, n);
    const std::uint32_t sent = s.node(n).keeper.sent;
    if (sent != 0 && !keeper::is_news(s.search.pools.reports[sent], now)) return 0;
    return s.search.pools.reports.put(std::move(now));
}

}  // namespace pgaf::exhaustive
