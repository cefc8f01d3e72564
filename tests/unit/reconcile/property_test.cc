// Whatever the facts, goals and promises are, some things are never decided. Situations are drawn from small ranges, so
// that every combination that matters comes up; a failure names the seed of its situation.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>

#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/report.h"
#include "keeper/reconcile/standing.h"

namespace pgaf::keeper {
namespace {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t upto(std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n)(engine_); }
    bool one_in(std::uint64_t n) { return upto(n - 1) == 0; }
    template <class T>
    T pick(std::initializer_list<T> all) {
        return *(all.begin() + upto(all.size() - 1));
    }

  private:
    std::mt19937_64 engine_;
};

struct World {
    Promise promise;
    Run run;
    Facts facts;
};

Goal any_goal(Dice& dice, const Promise& promise) {
    Goal g;
    g.stamp = {Epoch{dice.upto(2) + 1}, Term{1}, Version{dice.upto(3)}, MonitorId{dice.pick({"m1", "m1", "m2"})}};
    g.node = NodeName{dice.one_in(20) ? "other" : "self"};
    g.incarnation = IncarnationId{dice.one_in(10) ? "z" : promise.incarnation.v};
    g.role = static_cast<Role>(dice.one_in(3) ? dice.upto(7) : dice.upto(1) + 1);
    g.initialise = dice.one_in(4);
    g.timeline = Timeline{static_cast<std::uint32_t>(dice.upto(3))};
    g.rule = {RuleId{dice.upto(3)}, {static_cast<std::uint32_t>(dice.upto(1)), {IncarnationId{"b"}}}};
    if (!dice.one_in(3)) g.permit = StartPermit{BootId{dice.pick({"boot", "old"})}, dice.upto(2)};
    g.irreplaceable = dice.one_in(3);
    g.lease = Millis{dice.pick({0, 5000})};
    g.keeper_timeout = Millis{60'000};
    g.asynchronous = g.rule.rule.k == 0;
    g.checkpoint_request = dice.upto(1);
    g.upstream = NodeName{dice.pick({"peer", "peer", "third", "", "self"})};
    g.stream_until = Lsn{0x5000};
    g.rewind_allowed = dice.one_in(2);
    g.stop_mode = dice.pick({StopMode::fast, StopMode::immediate});
    if (!dice.one_in(8)) g.peers = {{g.node, g.incarnation, "h", 1}, {NodeName{"peer"}, IncarnationId{"b"}, "h", 2}};
    for (std::uint32_t t = 1; t <= dice.upto(3); ++t) {
        HistoryEntry e{Timeline{t}, Epoch{t}, std::nullopt, Lsn{t * 0x1000}};
        if (t > 1 && !dice.one_in(3)) e.fork = e.floor;
        g.history.push_back(e);
    }
    g.system_id = SystemId{dice.pick({"77", "77", "77", "88", ""})};
    return g;
}

Facts any_facts(Dice& dice) {
    Facts f;
    f.status = static_cast<PgStatus>(dice.one_in(3) ? dice.upto(6) : dice.pick({2, 4}));
    f.folder_incarnation = IncarnationId{dice.pick({"a", "a", "a", "x", ""})};
    f.rebuilding = dice.one_in(10);
    f.in_recovery = dice.one_in(2);
    f.open_to_clients = dice.one_in(2);
    f.client_sessions = dice.one_in(8) ? 1 : 0;
    f.exits = dice.upto(2);
    f.leaving = dice.one_in(10);
    f.launcher_connected = !dice.one_in(20);
    f.system_id = SystemId{dice.one_in(12) ? "88" : "77"};
    f.timeline = Timeline{static_cast<std::uint32_t>(dice.upto(3))};
    if (f.timeline.v > 1) f.forks.push_back({Timeline{f.timeline.v - 1}, Lsn{f.timeline.v * 0x1000ULL}});
    if (dice.one_in(4)) f.histories = {Timeline{f.timeline.v + 1}};
    if (dice.one_in(8)) f.alien_rule = "not the cluster's";
    f.end = Lsn{dice.upto(5) * 0x1000};
    f.complete = Lsn{dice.pick<std::uint64_t>({f.end.v, f.end.v / 2, 0})};
    f.wal_segment_bytes = 0x1000;
    f.end_exact = dice.one_in(2);
    f.following = NodeName{dice.pick({"", "peer", "third"})};
    if (dice.one_in(2)) f.receiver = {true, f.following, Millis{1}};
    if (dice.one_in(2)) f.slots = {slot_name(NodeName{"peer"})};
    if (dice.one_in(8)) f.trouble = "something";
    if (dice.one_in(8)) f.disk = "it takes no writes";
    f.replay_paused = !f.receiver.streaming && dice.one_in(4);
    return f;
}

World any_world(std::uint64_t seed) {
    Dice dice(seed);
    World w;
    w.promise.cluster = ClusterName{"c"};
    w.promise.node = NodeName{"self"};
    w.promise.incarnation = IncarnationId{"a"};
    w.promise.has_folder = !dice.one_in(4);
    w.promise.system_id = SystemId{dice.pick({"77", "77", ""})};
    for (int i = 0; i < 3; ++i) {
        const Goal goal = any_goal(dice, w.promise);
        if (judge(w.promise, goal).accepted) w.promise = accept(w.promise, goal);
    }
    w.facts = any_facts(dice);
    w.run.boot = BootId{"boot"};
    w.run.next = IncarnationId{"next"};
    w.run.goal_received = !dice.one_in(3);
    w.run.monitor_in_reach = dice.one_in(2);
    w.run.monitor_away = Millis{w.run.monitor_in_reach ? 0 : static_cast<std::int64_t>(dice.upto(1) * 5000)};
    w.run.exits = dice.one_in(4) ? dice.upto(2) : w.facts.exits;
    w.run.rule_applied = RuleId{dice.upto(3)};
    w.run.fence_held = dice.one_in(2);
    w.run.lease.now = Millis{static_cast<std::int64_t>(10'000 + dice.upto(4) * 2000)};
    w.run.lease.answered = Millis{10'000};
    if (dice.one_in(2)) w.run.lease.armed = Millis{15'000};
    if (dice.one_in(2)) w.run.served = Epoch{dice.upto(2) + 1};
    if (dice.one_in(4)) w.run.rewind_failed = "failed";
    if (dice.one_in(4)) w.run.wal_gone = "it has no more WAL", w.run.wal_gone_at = NodeName{"peer"};
    note_facts(w.run, w.promise, w.facts);
    if (w.promise.goal && dice.one_in(2))
        w.run.layout = Layout{w.promise.cluster, w.promise.node, w.promise.incarnation, w.promise.goal->peers};
    return w;
}

bool is_alive(PgStatus s) {
    return s != PgStatus::absent && s != PgStatus::stopped && s != PgStatus::unknown;
}

void check_start(const World& w, const Decision& d) {
    const Goal& g = *w.promise.goal;
    const bool starts = std::holds_alternative<StartPrimary>(*d.step) || std::holds_alternative<StartStandby>(*d.step);
    if (!starts) return;
    REQUIRE(w.facts.status == PgStatus::stopped);
    REQUIRE_FALSE(w.facts.leaving);
    REQUIRE_FALSE(w.facts.rebuilding);
    REQUIRE((w.run.goal_received || w.run.on_its_own()));
    REQUIRE((g.role == Role::primary || g.role == Role::standby || g.role == Role::fast_forward));
}

/// R9: read-write by permit, in place, or when nobody can replace the node.
void check_primary(const World& w, const StartPrimary&) {
    const Goal& g = *w.promise.goal;
    const bool permitted = w.run.goal_received && g.permit == StartPermit{w.run.boot, w.facts.exits};
    const bool in_place = w.run.on_its_own() && w.run.served == w.promise.promised.epoch;
    const bool irreplaceable = w.run.on_its_own() && g.irreplaceable;
    REQUIRE(g.role == Role::primary);
    REQUIRE((permitted || in_place || irreplaceable));
    // R8: with k = 0 what its lease has ended is started by the monitor's word alone.
    if (!permitted && !irreplaceable) REQUIRE_FALSE((g.asynchronous && lease_over(w.promise, w.run)));
    REQUIRE((g.timeline.empty() || g.timeline == w.facts.timeline));
}

/// R9: a receiver runs only towards the node that the goal names.
void check_receiver(const World& w, const NodeName& upstream) {
    const Goal& g = *w.promise.goal;
    if (upstream.empty()) return;
    REQUIRE((g.role == Role::standby || g.role == Role::fast_forward));
    REQUIRE(upstream == g.upstream);
    REQUIRE(upstream != w.promise.node);
}

void check_step(const World& w, const StartStandby& s) {
    check_receiver(w, s.upstream);
}
void check_step(const World& w, const StartPrimary& s) {
    check_primary(w, s);
}
void check_step(const World& w, const Follow& s) {
    check_receiver(w, s.upstream);
    REQUIRE((w.run.goal_received || w.run.on_its_own()));
}
void check_step(const World& w, const ResumeReplay& s) {
    // The receiver that PostgreSQL starts then is one that the goal of this run wants (R9).
    check_receiver(w, s.upstream);
    REQUIRE((w.promise.goal->role == Role::standby && w.run.goal_received && w.facts.in_recovery));
    REQUIRE((w.facts.following == s.upstream && !s.upstream.empty()));
}
void check_step(const World& w, const Promote& s) {
    const Goal& g = *w.promise.goal;
    REQUIRE((g.role == Role::primary && w.run.goal_received && w.facts.in_recovery));
    REQUIRE((s.timeline == g.timeline && s.timeline > w.facts.timeline && s.timeline == g.history.back().timeline));
    REQUIRE((w.facts.following.empty() && !w.facts.receiver.streaming));
    REQUIRE(s.rule.id <= w.promise.rule_promised);
}
void check_step(const World& w, const ApplyRule& s) {
    REQUIRE((w.promise.goal->role == Role::primary && !w.facts.in_recovery));
    REQUIRE(s.rule.id <= w.promise.rule_promised);
}
void check_step(const World& w, const OpenToClients& s) {
    REQUIRE((w.promise.goal->role == Role::primary && !w.facts.in_recovery));
    REQUIRE(s.rule.id == w.run.rule_applied);
    // R8: not while another node may have been promoted, and with k = 0 never unguarded.
    REQUIRE_FALSE(lease_over(w.promise, w.run));
    REQUIRE(guarded(w.promise, w.run));
}
void check_step(const World& w, const CloseToClients&) {
    REQUIRE(lease_over(w.promise, w.run));
    REQUIRE_FALSE(w.facts.in_recovery);
}
void check_step(const World& w, const Rewind& s) {
    const Goal& g = *w.promise.goal;
    REQUIRE((g.role == Role::standby && w.run.goal_received && g.rewind_allowed));
    REQUIRE(stand(w.facts, g.history).kind == Standing::Kind::diverged);
    REQUIRE(w.facts.status == PgStatus::stopped);
    REQUIRE(s.next == w.run.next);
    REQUIRE_FALSE(s.why.empty());
}
void check_step(const World& w, const Clone& s) {
    REQUIRE((w.promise.goal->role == Role::standby && w.run.goal_received));
    REQUIRE_FALSE(is_alive(w.facts.status));
    // WAL that may be the only copy is replaced only after a rewind of it has been tried and has failed.
    const bool empty = w.facts.status == PgStatus::absent || w.facts.rebuilding;
    REQUIRE((empty || (w.promise.goal->rewind_allowed && !w.run.wal_gone.empty())));
    REQUIRE((s.next == w.run.next || !w.promise.has_folder));
    REQUIRE_FALSE(s.why.empty());
}
void check_step(const World& w, const Initialise&) {
    REQUIRE((w.facts.status == PgStatus::absent && w.promise.goal->initialise && w.run.goal_received));
    REQUIRE(w.promise.goal->system_id.empty());
}
void check_step(const World& w, const Adopt&) {
    REQUIRE_FALSE(w.promise.has_folder);
    REQUIRE(w.run.goal_received);
}
void check_step(const World& w, const Stop&) {
    const Role role = w.promise.goal->role;
    REQUIRE(is_alive(w.facts.status));
    // A primary that may be the cluster's is stopped by the monitor's word alone, or for a wrong timeline.
    if (w.facts.rebuilding) return;
    // With k = 0 its lease ends it; one that is stuck, or whose disk takes no writes, can't be closed (R8).
    const bool closes = w.facts.status != PgStatus::stuck && w.facts.disk.empty();
    if (lease_over(w.promise, w.run) && (w.promise.goal->asynchronous || !closes)) return;
    if (role == Role::primary && !w.facts.in_recovery) REQUIRE(w.facts.timeline != w.promise.goal->timeline);
    if (role == Role::fence) REQUIRE(w.facts.in_recovery);
    REQUIRE(role != Role::wait);
}
template <class T>
void check_step(const World&, const T&) {}

void check_world(const World& w) {
    const Decision d = reconcile(w.promise, w.run, w.facts);
    REQUIRE_FALSE(d.rule.empty());
    REQUIRE((d.step || d.settled || !d.waiting.empty() || !d.problem.empty()));
    const Decision again = reconcile(w.promise, w.run, w.facts);
    REQUIRE((again.step == d.step && again.rule == d.rule));
    if (d.step) {
        REQUIRE(w.promise.goal.has_value());
        REQUIRE(w.facts.launcher_connected);
        REQUIRE(w.facts.status != PgStatus::unknown);
        REQUIRE(foreign_folder(w.promise, w.facts).empty());
        check_start(w, d);
        std::visit([&](const auto& step) { check_step(w, step); }, *d.step);
        // What was just begun on these very facts is not obsolete: the loop would never come to an end.
        REQUIRE(obsolete(*d.step, w.promise, w.run, w.facts).empty());
    }
    const Report r = make_report(w.promise, w.run, w.facts, {}, {});
    if (r.fenced) {
        REQUIRE_FALSE((r.receiver.streaming && r.status == PgStatus::running));
        REQUIRE((w.facts.following.empty() || r.status == PgStatus::stopped));
        REQUIRE((w.facts.end_exact && !r.end.empty()));
        REQUIRE((w.promise.goal->role == Role::fence || w.promise.goal->role == Role::fast_forward));
    }
    REQUIRE((!r.writable || (w.facts.open_to_clients && !w.facts.in_recovery)));
}

}  // namespace

TEST_CASE("no situation makes the reconciler break a rule") {
    std::map<std::string, int> steps;
    for (std::uint64_t seed = 1; seed <= 150000; ++seed) {
        INFO("seed " << seed);
        const World w = any_world(seed);
        check_world(w);
        const Decision d = reconcile(w.promise, w.run, w.facts);
        if (d.step) ++steps[step_name(*d.step)];
    }
    // The ranges are wide enough for every step to come up.
    CHECK(steps.size() == std::variant_size_v<Step>);
}

TEST_CASE("the order of promises is never left") {
    for (std::uint64_t seed = 1; seed <= 20000; ++seed) {
        INFO("seed " << seed);
        Dice dice(seed);
        Promise promise;
        promise.node = NodeName{"self"};
        promise.incarnation = IncarnationId{"a"};
        for (int i = 0; i < 12; ++i) {
            const Promise before = promise;
            if (dice.one_in(6)) {
                promise = new_incarnation(promise, IncarnationId{dice.pick({"a", "z"})});
            } else {
                const Goal goal = any_goal(dice, promise);
                const Verdict verdict = judge(promise, goal);
                REQUIRE(verdict.accepted == verdict.why.empty());
                if (!verdict.accepted) continue;
                REQUIRE(may_follow(promise.promised, goal.stamp));
                REQUIRE(goal.incarnation == promise.incarnation);
                promise = accept(promise, goal);
                REQUIRE(promise.rule_promised >= before.rule_promised);
            }
            REQUIRE(promise.promised.epoch >= before.promised.epoch);
        }
    }
}

TEST_CASE("the printed table has every row with its reason") {
    const std::string text = rules_text();
    for (const char* name : {"launcher-away", "fence-primary", "start-permitted", "restart-in-place", "rewind"})
        CHECK(text.find(std::string(name) + "\n    when ") != std::string::npos);
}

}  // namespace pgaf::keeper
