#include "tests/sim/server.h"

#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/checks.h"
#include "tests/sim/launcher.h"
#include "tests/sim/loop.h"
#include "tests/sim/replication.h"

namespace pgaf::sim {
namespace {

void learn_timeline(Disk& disk, std::uint32_t timeline) {
    const auto place = std::lower_bound(disk.histories.begin(), disk.histories.end(), timeline);
    if (place == disk.histories.end() || *place != timeline) disk.histories.insert(place, timeline);
}

std::uint64_t epoch_of_keeper(const World& w, NodeIx node) {
    const keeper::Promise& p = w.keepers[node]->promise;
    return p.goal && p.goal->role == Role::primary ? p.promised.epoch.v : 0;
}

bool current(const World& w, NodeIx node, std::uint32_t run) {
    return w.server(node) && w.server(node)->run == run;
}

/// From the end of its complete records on this server writes; after a crash from where its WAL ends, also within a
/// record: what is there of that one stays and is skipped (XLOG_OVERWRITE_CONTRECORD, T), so that a standby that has it
/// too has no hole. Its old branch goes on only when nobody can have more of it.
void begin_writing(World& w, NodeIx node, std::optional<std::uint32_t> new_timeline) {
    Disk& disk = w.machines[node].edit().disk;
    const Extent base = disk.wal.base();
    const std::uint64_t end = complete_end(*w.archive, disk.wal);
    const BranchIx own = w.archive->writer_of(base.branch, end);
    const Branch& before = (*w.archive)[own];
    const std::uint64_t torn = new_timeline ? end : base.to;
    const bool goes_on = !new_timeline && before.writer == node && before.end() == end && before.published <= torn;
    const std::uint32_t timeline = new_timeline.value_or(before.timeline);
    const BranchIx branch = goes_on ? own : w.archive.edit().begin(own, end, timeline, node);
    if (torn > end) w.archive.edit().append(branch, torn - end, 0);
    disk.wal.extents = {{branch, torn}};
}

void write_record(World& w, NodeIx node, std::uint64_t bytes) {
    Machine& m = w.machines[node].edit();
    Archive& archive = w.archive.edit();
    const BranchIx branch = m.disk.wal.base().branch;
    archive.append(branch, bytes, 0);
    m.disk.wal.extents.back().to = archive[branch].end();
    archive.publish(branch, archive[branch].end());
    m.server->flushed = archive[branch].end();
}

void become_primary(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    s.phase = Server::Phase::primary;
    s.replayed = s.flushed = s.unseen = m.disk.wal.end();
    if (!m.disk.clean) write_record(w, node, 120);
    m.disk.clean = false;
}

/// Processes are gone: what they had in memory is, too.
void forget_memory(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    if (!m.disk.wal.empty() && !s.in_recovery()) {
        const BranchIx branch = m.disk.wal.base().branch;
        if ((*w.archive)[branch].writer == node && (*w.archive)[branch].end() > m.disk.wal.end())
            w.archive.edit().truncate(branch, m.disk.wal.end());
    }
    w.count.unknown += s.waiting.size();
    s.waiting.clear();
    s.receiver.reset();
    s.senders.clear();
}

void gone(World& w, NodeIx node, bool told) {
    const bool by_itself = w.machines[node]->launcher.alive && told;
    drop_links(w, node, told);
    forget_memory(w, node);
    Machine& m = w.machines[node].edit();
    m.server.reset();
    // A deadline is for a server that runs; the next one gets its own.
    w.deadlines[node].until = {};
    w.say(node, [&] { return std::string("PostgreSQL has exited"); });
    if (!by_itself) return;
    ++m.launcher.exits;
    launcher_told(w, node);
    if (w.machines[node]->launcher.ending) kill_launcher(w, node);
}

}  // namespace

bool postmaster_lives(const World& w, NodeIx node) {
    const auto& s = w.server(node);
    return s && (s->postmaster || !broken(Mutation::r13));
}

void lose_postmaster(World& w, NodeIx node) {
    Server& s = w.edit_server(node);
    s.postmaster = s.stop_due = s.checkpointer_stopped = false;
    const bool stood_still = std::exchange(s.stuck, false);
    // What came in while it stood still is never read: the keeper, which would have ended them, could not look either.
    if (stood_still) std::erase_if(s.senders, [](const Walsender& sender) { return sender.impostor; });
    if (std::exchange(s.gives_no_session, false) || stood_still) release_held(w, node);
}

void end_children(World& w, NodeIx node) {
    drop_links(w, node, true);
    Server& s = w.edit_server(node);
    w.count.unknown += s.waiting.size();
    s.waiting.clear();
    s.senders.clear();
    s.receiver.reset();
    s.has_sessions = false;
}

void release_held(World& w, NodeIx node) {
    std::vector<Event> held;
    std::swap(held, w.machines[node].edit().held);
    for (const Event& event : held) w.at(w.now, event);
}

std::uint32_t timeline_of(const World& w, NodeIx node) {
    const Machine& m = *w.machines[node];
    return m.disk.wal.empty() ? 0 : timeline_at(*w.archive, m.disk.wal, m.disk.wal.base().to);
}

// ---- start ----------------------------------------------------------------------------------------------------------

bool start_server(World& w, NodeIx node) {
    Machine& m = w.machines[node].edit();
    if (m.server || !m.disk.has_data || m.disk.rebuilding) return false;
    Server s;
    s.run = ++m.server_runs;
    s.loaded = m.disk.conf;
    s.startup_conn = m.disk.conf.conn;
    s.sync_defined = s.loaded.names.kind != Names::Kind::none;
    if (!m.disk.standby_signal) s.asked_in = epoch_of_keeper(w, node);
    m.server = s;
    m.launcher.crashed = m.launcher.expired = false;
    const bool clean = m.disk.clean;
    w.say(node,
          [&] { return std::string("PostgreSQL starts ") + (m.disk.standby_signal ? "as a standby" : "read-write"); });
    w.after(clean ? 20 * ms : 60 * ms, clean ? 120 * ms : 1500 * ms, {Ev::started, node, s.run});
    return true;
}

void on_started(World& w, NodeIx node, std::uint32_t run) {
    if (!current(w, node, run) || w.server(node)->phase != Server::Phase::recovering || !w.server(node)->postmaster)
        return;
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    if (m.disk.standby_signal) {
        s.phase = Server::Phase::standby;
        s.replayed = complete_end(*w.archive, m.disk.wal);
        m.disk.clean = false;
        if (!s.startup_conn.empty()) plan_connect(w, node, ms, 5 * ms);
    } else {
        begin_writing(w, node, std::nullopt);
        become_primary(w, node);
        w.say(node, [&] { return "runs read-write on timeline " + std::to_string(timeline_of(w, node)); });
        check_reign(w, node);
    }
}

// ---- reload ---------------------------------------------------------------------------------------------------------

void reload_server(World& w, NodeIx node) {
    if (!w.server(node) || !w.server(node)->postmaster || w.server(node)->reload_due) return;
    if (launcher_gets_to_it_later(w, node, Ask::reload)) return;
    w.edit_server(node).reload_due = true;
    w.after(200, 3 * ms, {Ev::reloaded, node, w.server(node)->run});
}

void on_reloaded(World& w, NodeIx node, std::uint32_t run) {
    if (!current(w, node, run) || !w.server(node)->postmaster) return;
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    s.reload_due = false;
    s.loaded = m.disk.conf;
    if (s.phase == Server::Phase::recovering) {
        s.startup_conn = s.loaded.conn;
    } else if (s.in_recovery() && !s.startup_reload_due) {
        s.startup_reload_due = true;
        w.after(100, 3 * ms, {Ev::startup_reloads, node, run});
    }
    if (!s.checkpointer_reload_due) {
        s.checkpointer_reload_due = true;
        w.after(100, 20 * ms, {Ev::checkpointer_reloads, node, run});
    }
    for (Walsender& sender : s.senders) {
        if (sender.reload_due) continue;
        sender.reload_due = true;
        w.after(100, 20 * ms, {Ev::sender_reloads, node, sender.link});
    }
}

void on_startup_reloads(World& w, NodeIx node, std::uint32_t run) {
    // While replay is held the startup process looks at nothing else (T).
    if (!current(w, node, run) || w.server(node)->replay_held || !w.server(node)->startup_reload_due) return;
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    s.startup_reload_due = false;
    s.startup_conn = m.disk.conf.conn;
    if (s.phase != Server::Phase::standby) return;
    if (s.receiver && (s.receiver->upstream != s.startup_conn.upstream || s.receiver->name != s.startup_conn.name))
        end_receiver(w, node);
    if (!s.receiver && !s.startup_conn.empty()) plan_connect(w, node, 500, 5 * ms);
}

void hold_replay(World& w, NodeIx node, bool held) {
    if (!w.server(node) || w.server(node)->replay_held == held) return;
    Server& s = w.edit_server(node);
    s.replay_held = held;
    if (held || !s.in_recovery()) return;
    if (s.phase != Server::Phase::recovering) s.replayed = complete_end(*w.archive, w.machines[node]->disk.wal);
    on_startup_reloads(w, node, s.run);
    if (w.server(node)->phase == Server::Phase::standby && !w.server(node)->receiver &&
        !w.server(node)->startup_conn.empty())
        plan_connect(w, node, 500, 5 * ms);
}

// ---- promotion ------------------------------------------------------------------------------------------------------

void promote_server(World& w, NodeIx node) {
    Server& s = w.edit_server(node);
    if (s.phase != Server::Phase::standby) return;
    s.phase = Server::Phase::promoting;
    s.asked_in = epoch_of_keeper(w, node);
    w.after(10 * ms, s.replay_held ? 400 * ms : 50 * ms, {Ev::promoted, node, s.run});
}

void on_promoted(World& w, NodeIx node, std::uint32_t run) {
    if (!current(w, node, run) || w.server(node)->phase != Server::Phase::promoting || !w.server(node)->postmaster)
        return;
    end_receiver(w, node);
    Machine& m = w.machines[node].edit();
    // As PostgreSQL chooses it: the ids for which it has a history file, one after the other, and then the next.
    std::uint32_t timeline = timeline_at(*w.archive, m.disk.wal, complete_end(*w.archive, m.disk.wal)) + 1;
    while (std::binary_search(m.disk.histories.begin(), m.disk.histories.end(), timeline)) ++timeline;
    learn_timeline(m.disk, timeline);
    begin_writing(w, node, timeline);
    m.disk.standby_signal = false;
    m.server->replay_held = false;
    m.server->promoted = true;
    become_primary(w, node);
    ++w.count.promotions;
    w.say(node, [&] {
        const Branch& b = (*w.archive)[w.machines[node]->disk.wal.base().branch];
        return "is promoted to timeline " + std::to_string(timeline) + " at " + Lsn{b.fork}.text();
    });
    check_timeline(w, node, timeline);
    check_reign(w, node);
    w.after(2 * sec, 30 * sec, {Ev::checkpointed, node, run});
    kick_senders(w, node);
}

void write_message(World& w, NodeIx node) {
    if (!w.server(node) || w.server(node)->phase != Server::Phase::primary) return;
    w.archive.edit().append(w.machines[node]->disk.wal.base().branch, 100, 0);
    plan_flush(w, node);
}

// ---- stops ----------------------------------------------------------------------------------------------------------

void stop_fast(World& w, NodeIx node) {
    if (!w.server(node)) return;
    Server& s = w.edit_server(node);
    if (!s.postmaster || s.phase == Server::Phase::stopping) return;
    if (s.gives_no_session) {
        s.stop_due = true;
        return;
    }
    s.was_primary = s.phase == Server::Phase::primary;
    const bool young = s.phase == Server::Phase::recovering;
    s.phase = Server::Phase::stopping;
    w.count.unknown += s.waiting.size();
    s.waiting.clear();
    s.has_sessions = false;
    w.say(node, [&] { return std::string("fast stop"); });
    check_left_alone(w, node, "is stopped");
    if (young)
        w.after(5 * ms, 20 * ms, {Ev::reaped, node, s.run});
    else
        w.after(5 * ms, 60 * ms, {Ev::shut_down, node, s.run});
}

void on_shut_down(World& w, NodeIx node, std::uint32_t run) {
    if (!current(w, node, run) || w.server(node)->phase != Server::Phase::stopping || !w.server(node)->postmaster)
        return;
    end_receiver(w, node);
    Machine& m = w.machines[node].edit();
    m.disk.clean = true;
    if (m.server->was_primary) {
        const BranchIx branch = m.disk.wal.base().branch;
        m.disk.wal.extents.back().to = (*w.archive)[branch].end();
        write_record(w, node, 120);
        m.disk.checkpoint_timeline = timeline_of(w, node);
        m.disk.redo = m.disk.wal.end();
    }
    m.server->shutdown_checkpoint = true;
    kick_senders(w, node);
    look_whether_drained(w, node);
}

void look_whether_drained(World& w, NodeIx node) {
    const auto& s = w.server(node);
    if (!s || s->phase != Server::Phase::stopping || !s->shutdown_checkpoint) return;
    const bool waits =
        s->was_primary && std::any_of(s->senders.begin(), s->senders.end(), [&](const Walsender& sender) {
            return sender.streaming && sender.flushed < s->flushed;
        });
    if (!waits) w.after(1 * ms, 5 * ms, {Ev::reaped, node, s->run});
}

void on_walsenders_ended(World& w, NodeIx node, std::uint32_t run) {
    if (!current(w, node, run) || w.server(node)->phase != Server::Phase::stopping) return;
    w.after(1 * ms, 10 * ms, {Ev::reaped, node, run});
}

void stop_immediately(World& w, NodeIx node) {
    if (!w.server(node)) return;
    lose_postmaster(w, node);
    w.say(node, [&] { return std::string("immediate stop"); });
    check_left_alone(w, node, "is stopped");
    w.after(2 * ms, 20 * ms, {Ev::reaped, node, w.server(node)->run});
}

// ---- deaths ---------------------------------------------------------------------------------------------------------

void kill_postmaster(World& w, NodeIx node) {
    if (!w.server(node) || !w.server(node)->postmaster) return;
    lose_postmaster(w, node);
    const Machine& m = *w.machines[node];
    w.say(node, [] { return std::string("the postmaster is killed"); });
    if (broken(Mutation::r13) && m.launcher.alive) {
        ++w.machines[node].edit().launcher.exits;
        launcher_told(w, node);
        w.after(500 * ms, 3 * sec, {Ev::lingered, node, m.server->run});
    } else if (m.launcher.alive) {
        w.after(5 * ms, 60 * ms, {Ev::reaped, node, m.server->run});
    } else {
        // Nobody ends them: they find out by themselves, each when it next looks.
        w.after(100 * ms, 3 * sec, {Ev::lingered, node, m.server->run});
    }
}

void on_reaped(World& w, NodeIx node, std::uint32_t run) {
    if (current(w, node, run)) gone(w, node, true);
}

void on_lingered(World& w, NodeIx node, std::uint32_t run) {
    if (!current(w, node, run)) return;
    // The exit is told when the launcher goes on.
    if (w.machines[node]->launcher.frozen) return end_children(w, node);
    drop_links(w, node, true);
    forget_memory(w, node);
    w.machines[node].edit().server.reset();
}

void crash_backend(World& w, NodeIx node) {
    if (!w.server(node) || !w.server(node)->postmaster || w.server(node)->phase == Server::Phase::recovering ||
        w.server(node)->phase == Server::Phase::stopping || w.server(node)->gives_no_session)
        return;
    lose_postmaster(w, node);
    Machine& m = w.machines[node].edit();
    m.launcher.crashed = true;
    w.say(node, [] { return std::string("a backend crashes, and the postmaster ends"); });
    w.after(5 * ms, 60 * ms, {Ev::reaped, node, m.server->run});
}

void lose_server(World& w, NodeIx node, bool torn) {
    if (!w.server(node)) return;
    Machine& m = w.machines[node].edit();
    if (torn && m.server->receiver && m.server->receiver->coming) {
        const Chunk chunk = *m.server->receiver->coming;
        const auto part = static_cast<std::uint64_t>(w.between(0, static_cast<std::int64_t>(chunk.to - chunk.from)));
        if (part > 0) write(*w.archive, m.disk.wal, chunk.from, chunk.branch, chunk.from + part);
    }
    drop_links(w, node, false);
    forget_memory(w, node);
    w.machines[node].edit().server.reset();
}

}  // namespace pgaf::sim
