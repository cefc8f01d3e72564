#include "tests/sim/run.h"

#include <algorithm>

#include "tests/sim/checks.h"
#include "tests/sim/loop.h"
#include "tests/sim/monitor_ops.h"

namespace pgaf::sim {
namespace {

/// After everything works again (I6, I9).
constexpr Micros primary_limit = 90 * sec;
constexpr Micros well_limit = 300 * sec;
constexpr Micros operator_looks = 5 * sec;
constexpr Micros loss_accepted_after = 60 * sec;

void choose_lease(const RunOptions& run, Rng& rng, Options& o) {
    fsm::Settings& s = o.settings;
    // Two clocks differ by at most 5 percent, as the heart takes it.
    for (std::size_t i = 0; i <= o.nodes; ++i) o.drift_ppm.push_back(rng.between(-24'000, 24'000));
    const bool shortest = rng.below(3) == 0;
    if (shortest) s.lease_ms = s.node_timeout_ms + 2 * s.heartbeat_ms;
    if (rng.below(2) == 0) s.keeper_timeout_ms = s.lease_ms;
    s.asynchronous = run.asynchronous.value_or(rng.below(5) == 0);
    const std::uint64_t lags[] = {0, 100'000, 1'048'576, 1ULL << 30U};
    s.maximum_lag_on_failover = lags[rng.below(4)];
}

std::shared_ptr<Options> options_of(const RunOptions& run) {
    Rng rng(run.seed * 7919 + 17);
    auto o = std::make_shared<Options>();
    o->seed = run.seed;
    const std::size_t sizes[] = {3, 3, 3, 3, 3, 2, 2, 4, 5, 5};
    o->nodes = run.nodes != 0 ? run.nodes : sizes[rng.below(10)];
    o->settings.failover_limit = rng.below(5) == 0 ? 5 : 1000;
    o->settings.boot_wait_ms = 3000;
    if (rng.below(4) == 0) o->settings.heartbeat_ms = 100, o->settings.node_timeout_ms = 700;
    const auto sync = rng.below(4);
    if (sync == 0) o->settings.number_sync_standbys = 0;
    if (sync == 1 && o->nodes > 3) o->settings.number_sync_standbys = 2;
    for (std::size_t i = 0; i < o->nodes; ++i) o->priorities.push_back(rng.below(4) == 0 ? 70 : 50);
    o->large = run.large;
    if (o->nodes > 3 && rng.below(4) == 0) o->without_quorum = static_cast<NodeIx>(o->nodes - 1);
    choose_lease(run, rng, *o);
    return o;
}

class Run {
  public:
    explicit Run(const RunOptions& options)
        : options_(options), world_(options_of(options)), nemesis_(options.seed, world_.nodes(), options.only) {
        world_.trace = options.trace;
    }

    RunResult all() {
        begin();
        const auto end = static_cast<Micros>(options_.hours * 3600.0 * 1e6);
        while (!world_.broken_now() && world_.now + result_.left_out < end) {
            if (options_.last_act != 0 && result_.acts >= options_.last_act) break;
            episode();
        }
        result_.violation = world_.ghost->violation;
        result_.count = world_.count;
        result_.stepped = world_.now;
        return result_;
    }

  private:
    void begin() {
        start_monitor(world_);
        for (NodeIx n = 0; n < world_.nodes(); ++n) power_on(world_, n);
        world_.after(0, sec, {Ev::client});
        get_well(false);
    }

    void until(Micros when) {
        while (!world_.broken_now() && world_.agenda.next() <= when) world_.step();
        world_.now = std::max(world_.now, when);
    }

    void episode() {
        Episode e = nemesis_.next(options_.mean_rest);
        ++result_.episodes;
        result_.acts += e.acts.size();
        std::erase_if(e.acts, [&](const Act& a) { return options_.without.contains(a.number); });
        if (e.acts.empty()) return;
        world_.ghost.edit().only_monitor_away = e.monitor_alone && all_there() ? std::max<Micros>(world_.now, 1) : 0;
        harm(e);
        world_.ghost.edit().only_monitor_away = 0;
        repair(world_);
        get_well(std::any_of(e.acts.begin(), e.acts.end(),
                             [](const Act& a) { return destroys(a.harm) && !is_of_store(a.harm); }));
        if (!world_.broken_now()) result_.left_out += e.rest;
    }

    /// Nothing is wrong with any machine, whatever the monitor knows of it already. An operator who has told a launcher
    /// to end makes it hand over first.
    [[nodiscard]] bool all_there() const {
        for (NodeIx n = 0; n < world_.nodes(); ++n) {
            const auto& s = world_.server(n);
            if (!world_.keeper_runs(n) || !s || !s->postmaster || world_.machines[n]->launcher.leaving) return false;
            if (s->phase != Server::Phase::primary && !s->receiver) return false;
        }
        return true;
    }

    void harm(Episode& e) {
        const Micros began = world_.now;
        std::vector<std::pair<Micros, std::size_t>> plan;  // act * 2, + 1: its end
        for (std::size_t i = 0; i < e.acts.size(); ++i) {
            plan.emplace_back(began + e.acts[i].start, i * 2);
            plan.emplace_back(began + e.acts[i].start + e.acts[i].length, i * 2 + 1);
        }
        std::sort(plan.begin(), plan.end());
        for (const auto& [when, what] : plan) {
            until(when);
            if (world_.broken_now()) return;
            Act& act = e.acts[what / 2];
            if (what % 2 == 0) begin_act(world_, act);
            world_.say(nobody, [&] { return (what % 2 == 0 ? "harm " : "end of harm ") + text(act); });
            if (what % 2 == 1) end_act(world_, act);
        }
    }

    [[nodiscard]] bool primary_takes_writes() const {
        const auto& heart = world_.monitor->heart;
        return heart && fsm::summarize(*heart, monitor_now(world_)).has_writable_primary;
    }
    [[nodiscard]] bool well() const {
        const auto& heart = world_.monitor->heart;
        if (!heart || heart->record().nodes.size() != world_.nodes()) return false;
        for (NodeIx n = 0; n < world_.nodes(); ++n) {
            // Half of a connection that has ended at its other end counts as none.
            if (const auto& s = world_.server(n); s && s->receiver && s->receiver->ends) return false;
            // It is down, or has lost its folder, and the monitor has not heard of that yet.
            if (!world_.keeper_runs(n) || !world_.server(n)) return false;
            const auto known = heart->record().nodes.find(name_of(n));
            if (known == heart->record().nodes.end() ||
                known->second.incarnation != world_.keepers[n]->promise.incarnation)
                return false;
        }
        return fsm::summarize(*heart, monitor_now(world_)).healthy;
    }

    /// Waits until all is well; an operator helps where only an operator can.
    void get_well(bool destroyed) {
        const Micros began = world_.now;
        Micros writes_since = 0;
        for (;;) {
            until(world_.now + 500 * ms);
            if (world_.broken_now()) return;
            check_healthy(world_);
            if (writes_since == 0 && primary_takes_writes()) writes_since = world_.now;
            if (well()) break;
            const Micros waited = world_.now - began;
            if (waited % operator_looks < 500 * ms) help(destroyed && waited > loss_accepted_after);
            if (writes_since == 0 && waited > primary_limit + (destroyed ? loss_accepted_after : 0))
                return world_.violated("I6: no primary takes writes, " + why());
            if (waited > well_limit) return world_.violated("I9: the cluster is not well again, " + why());
        }
        result_.longest_without_primary = std::max(result_.longest_without_primary, writes_since - began);
        result_.longest_unwell = std::max(result_.longest_unwell, world_.now - began);
        // What is shown as well stays so.
        until(world_.now + 2 * sec);
    }

    void help(bool accept_loss) {
        const auto& heart = world_.monitor->heart;
        if (!heart) return;
        for (NodeIx n = 0; n < world_.nodes(); ++n) {
            power_on(world_, n);  // what has ended is started by its supervisor
            const auto view = heart->views().find(name_of(n));
            const bool distrusted = view != heart->views().end() && !view->second.distrust.empty();
            const bool unknown = !heart->record().nodes.contains(name_of(n));
            if (world_.keepers[n]->no_start || distrusted || (unknown && world_.keepers[n]->refused))
                reset_node(world_, n);
        }
        fsm::Command c;
        for (const auto& [name, node] : heart->record().nodes) {
            c.kind = "disable-maintenance";
            c.node = name;
            if (node.maintenance) return give_command(world_, c);
        }
        if (!accept_loss || primary_takes_writes()) return;
        for (const auto& [name, node] : heart->record().nodes) {
            if (node.candidate_priority != 0) continue;
            c.kind = "set-node";
            c.node = name;
            c.candidate_priority = 50;
            return give_command(world_, c);
        }
        ++result_.losses_accepted;
        c.kind = "failover";
        c.node = {};
        c.allow_data_loss = true;
        give_command(world_, c);
    }

    [[nodiscard]] std::string why() const {
        const auto& heart = world_.monitor->heart;
        if (!heart) return "the monitor does not run";
        const fsm::Summary s = fsm::summarize(*heart, monitor_now(world_));
        std::string text = "phase " + std::string(word(s.phase)) + ", primary " + s.primary.v + "; " + s.waiting;
        for (const auto& n : s.nodes)
            text += "; " + n.name.v + ": " + std::string(word(n.state)) + " (" + std::string(word(n.assigned)) + ") " +
                    n.doing + " " + n.problem;
        return text;
    }

    RunOptions options_;
    World world_;
    Nemesis nemesis_;
    RunResult result_;
};

}  // namespace

RunResult run(const RunOptions& options) {
    return Run(options).all();
}

RunOptions shrink(const RunOptions& options, const RunResult& found) {
    RunOptions best = options;
    best.trace = nullptr;
    best.last_act = found.acts;
    const auto still = [&](const RunOptions& o) { return run(o).violation.has_value(); };
    // All but the last ones at first, then one at a time from the end on.
    for (std::size_t keep = 2; keep < found.acts; keep *= 2) {
        RunOptions fewer = best;
        for (std::size_t i = 1; i + keep <= found.acts; ++i) fewer.without.insert(i);
        if (!still(fewer)) continue;
        best = fewer;
        break;
    }
    for (std::size_t i = found.acts; i > 0; --i) {
        if (best.without.contains(i)) continue;
        RunOptions fewer = best;
        fewer.without.insert(i);
        if (still(fewer)) best = fewer;
    }
    return best;
}

}  // namespace pgaf::sim
