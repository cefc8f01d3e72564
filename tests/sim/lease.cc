#include "tests/sim/lease.h"

#include <algorithm>

#include "tests/sim/checks.h"
#include "tests/sim/disk.h"
#include "tests/sim/loop.h"
#include "tests/sim/replication.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

constexpr std::int64_t million = 1'000'000;

/// A deadline on its way says for how many exits it is meant, which is compared when the answer comes.
constexpr unsigned exits_bits = 16;
std::uint64_t told_of(Millis until, std::uint64_t exits) {
    return static_cast<std::uint64_t>(until.v) << exits_bits | (exits & ((1U << exits_bits) - 1));
}
Millis until_of(std::uint64_t told) {
    return Millis{static_cast<std::int64_t>(told >> exits_bits)};
}

Micros boot_micros(const World& w, std::size_t machine) {
    return w.now + w.now * w.options->drift_ppm[machine] / million;
}

void plan_deadline(World& w, NodeIx node) {
    LauncherDeadline& d = w.deadlines[node];
    const Micros when = std::max(when_it_is(w, node, d.until), w.now + 1);
    // A timer that rings sooner looks again by itself.
    if (d.timer > w.now && d.timer <= when) return;
    d.timer = when;
    w.at(when, {Ev::deadline_over, node, w.machines[node]->launcher.life});
}

}  // namespace

Millis boot_time(const World& w, std::size_t machine) {
    return Millis{boot_micros(w, machine) / ms};
}

Micros when_it_is(const World& w, std::size_t machine, Millis then) {
    return then.v * ms * million / (million + w.options->drift_ppm[machine]) + ms;
}

// ---- the keeper -----------------------------------------------------------------------------------------------------

Lsn write_mark(World& w, NodeIx node) {
    const auto& s = w.server(node);
    if (!s || s->phase != Server::Phase::primary || !s->takes_connections()) return {};
    write_message(w, node);
    return Lsn{(*w.archive)[w.machines[node]->disk.wal.base().branch].end()};
}

bool lease_is_short(const World& w, NodeIx node) {
    const Keeper& k = *w.keepers[node];
    if (!keeper::needs_lease(k.promise)) return false;
    return (keeper::lease_until(k.promise, k.run).v - boot_time(w, node).v) * ms <= k.heartbeat;
}

void hold_deadline(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    const auto until = keeper::launcher_deadline(k.promise, k.run, k.facts);
    if (!until || k.telling_deadline || !k.facts.launcher_connected) return;
    if (const std::optional<Millis>& held = k.run.lease.armed) {
        const bool soon_enough = *until >= *held && (until->v - held->v) * ms < k.heartbeat / 2;
        if (*until == *held || (*held > Millis{0} && soon_enough)) return;
    }
    k.telling_deadline = true;
    const std::uint32_t life = w.machines[node]->launcher.life;
    w.after(100, 2 * ms, {Ev::deadline_told, node, life, told_of(*until, k.facts.exits)});
}

void on_deadline_held(World& w, NodeIx node, std::uint32_t boot, std::uint64_t told) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot) return;
    k.telling_deadline = false;
    if (told == 0 || told != told_of(until_of(told), k.facts.exits)) return;
    const bool first = k.run.lease.armed.value_or(Millis{0}) == Millis{0};
    k.run.lease.armed = until_of(told);
    // A server with k = 0 may be waiting for it.
    if (first) plan_look(w, node, 100, ms);
}

// ---- the launcher ---------------------------------------------------------------------------------------------------

void on_deadline_told(World& w, NodeIx node, std::uint32_t life, std::uint64_t told) {
    const Launcher& l = w.machines[node]->launcher;
    const std::uint32_t boot = w.keepers[node]->boot;
    // Its connection is gone with it: the keeper is told that the request has failed. Nor is it taken for a server that
    // has exited meanwhile; a connection keeps its order, so the request to start another one comes later.
    const std::uint64_t exits = w.keepers[node]->earlier_exits + l.exits;
    const bool taken = l.alive && l.life == life && w.server(node) && told == told_of(until_of(told), exits);
    if (taken) {
        w.deadlines[node].until = until_of(told);
        if (until_of(told).v > 0) plan_deadline(w, node);
    }
    w.after(100, 2 * ms, {Ev::deadline_held, node, boot, taken ? told : 0});
}

void on_deadline_over(World& w, NodeIx node, std::uint32_t life) {
    const Launcher& l = w.machines[node]->launcher;
    if (!l.alive || l.life != life) return;
    w.deadlines[node].timer = 0;
    check_deadline(w, node, false);
    if (w.deadlines[node].until.v > 0) plan_deadline(w, node);
}

void check_deadline(World& w, NodeIx node, bool slept) {
    LauncherDeadline& d = w.deadlines[node];
    if (!w.machines[node]->launcher.alive || w.machines[node]->launcher.frozen) return;
    const bool passed = d.until.v > 0 && boot_time(w, node) >= d.until;
    // Or it fell asleep in the middle of the stop.
    if (slept && w.server(node) && (passed || w.machines[node]->launcher.expired))
        w.edit_server(node).slept_over = w.now;
    if (!passed) return;
    d.until = {};
    if (!w.server(node)) return;
    w.say(node, [] { return std::string("the launcher's deadline has passed"); });
    w.machines[node].edit().launcher.expired = true;
    stop_immediately(w, node);
}

// ---- clients --------------------------------------------------------------------------------------------------------

namespace {

/// From the lease's end until the last session is gone: a look, the steps under way, a reload; on a slow disk a promise
/// that is being written goes first.
constexpr Micros until_closed = 3 * sec;
constexpr Micros on_slow_disk = 4 * sec;

/// A server that can't be closed is stopped, when that is known.
Micros trouble_known(const Machine& m) {
    const Micros hangs = m.writes == Writes::hang ? m.writes_since + probe_limit : 0;
    return m.server->gives_no_session ? std::max(hangs, m.server->no_session_since + stuck_limit) : hangs;
}

}  // namespace

void check_read(World& w, NodeIx node) {
    const Ghost& g = *w.ghost;
    const std::uint64_t epoch = epoch_served(w, node);
    const auto choice =
        std::find_if(g.choices.begin(), g.choices.end(), [&](const ChosenAt& c) { return c.epoch > epoch; });
    if (choice == g.choices.end() || g.loss_accepted > epoch) return;
    const Keeper& k = *w.keepers[node];
    const Machine& m = *w.machines[node];
    // Orphans of a launcher that died while their postmaster stood still: only the next launcher can end them.
    if (m.server->gives_no_session && !m.launcher.alive) return;
    // Nor does anybody stop or reload a server whose launcher stands still.
    if (m.launcher.frozen) return;
    const auto& settings = w.decided->settings;
    const std::int64_t promised_ms = k.promise.goal ? k.promise.goal->lease.v : 0;
    const std::int64_t lease_ms = promised_ms > 0 ? promised_ms : settings.lease_ms;
    // One without a goal does not know that it has a lease: its state file was lost, say.
    const bool runs = k.alive && !k.frozen && k.promise.goal;
    // Since when it is stale, and nobody has told it otherwise. What was stopped meanwhile counts from when it went on.
    const Micros since = std::max({choice->when, k.answered_for, k.started, m.went_on});
    const std::int64_t timeout_ms = std::max<std::int64_t>(lease_ms, settings.keeper_timeout_ms);
    const Micros from = runs ? since : std::max(since, m.keeper_stopped);
    const Micros over = std::max(from + (runs ? lease_ms : timeout_ms) * ms * 21 / 20, trouble_known(m));
    if (w.now <= over + until_closed + (m.slow_disk || m.bad_state_disk ? on_slow_disk : 0)) return;
    w.violated("I7: a client reads on " + name_of(node).v + " of epoch " + std::to_string(epoch) + ", " +
               std::to_string((w.now - choice->when) / ms) + " ms after another node was chosen in epoch " +
               std::to_string(choice->epoch) + "; its lease is " + std::to_string(lease_ms) + " ms");
}

}  // namespace pgaf::sim
