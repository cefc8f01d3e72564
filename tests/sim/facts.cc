// A look at the local PostgreSQL: keeper/postgres/facts_reader on the model. Says what the real one would say, its half
// truths too.
#include <algorithm>
#include <utility>

#include "common/mutation.h"
#include "tests/sim/disk.h"
#include "tests/sim/loop.h"
#include "tests/sim/replication.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

constexpr Micros keepalive = 500 * ms;

std::vector<TimelineFork> forks_of(const World& w, const Machine& m, std::uint32_t timeline) {
    if (timeline <= 1 || m.disk.wal.empty()) return {};
    std::vector<TimelineFork> forks = w.archive->forks(m.disk.wal.extents.back().branch);
    // The history file of the timeline that it is on: not of one that its WAL only leads to later.
    const auto own =
        std::find_if(forks.begin(), forks.end(), [&](const TimelineFork& f) { return f.timeline.v == timeline; });
    forks.erase(own, forks.end());
    return forks;
}

/// History files of timelines above its own; empty ones are only placeholders.
std::vector<Timeline> histories_above(const Machine& m, std::uint32_t own) {
    std::vector<Timeline> above;
    for (const std::uint32_t t : m.disk.histories) {
        const auto& empty = m.disk.placeholders;
        if (t > own && std::find(empty.begin(), empty.end(), t) == empty.end()) above.push_back(Timeline{t});
    }
    return above;
}

void add_stopped(const World& w, const Machine& m, Keeper& k, keeper::Facts& f) {
    f.status = PgStatus::absent;
    if (f.rebuilding || !m.disk.has_data) return;
    f.status = PgStatus::stopped;
    f.in_recovery = m.disk.standby_signal;
    f.open_to_clients = m.disk.conf.open_to_clients;
    f.system_id = system_id;
    f.clean_shutdown = m.disk.clean;
    f.checkpoint_timeline = Timeline{m.disk.checkpoint_timeline};
    // An exit is told before anybody looks where the WAL ends.
    if (std::exchange(k.exit_untold, false) && !f.in_recovery) {
        f.end_pending = true;
        return;
    }
    f.complete = Lsn{complete_end(*w.archive, m.disk.wal)};
    f.timeline = Timeline{timeline_at(*w.archive, m.disk.wal, f.complete.v)};
    // Only a torn record that reaches into a later segment is seen in the files (keeper/postgres/wal_scan).
    const std::uint64_t end = m.disk.wal.end();
    f.end = segment_start(end) > segment_start(f.complete.v) ? Lsn{end} : f.complete;
    f.replayed = f.clean_shutdown ? f.complete : Lsn{m.disk.redo};
    f.end_exact = true;
    f.forks = forks_of(w, m, f.timeline.v);
    f.histories = histories_above(m, f.timeline.v);
}

Millis last_message(const World& w, NodeIx node, NodeIx upstream) {
    for (const Micros age : {10 * sec, 5 * sec, 4 * sec, 3 * sec, 2500 * ms, 2 * sec, 1500 * ms, sec, keepalive})
        if (silent_for(w, node, upstream, age)) return Millis{age / ms};
    return Millis{(w.now / ms) % (keepalive / ms)};
}

void add_standby(const World& w, NodeIx node, const Keeper& k, keeper::Facts& f) {
    const Machine& m = *w.machines[node];
    const Server& s = *m.server;
    if (!s.loaded.conn.empty()) f.following = name_of(s.loaded.conn.upstream);
    f.replayed = Lsn{s.replayed};
    f.end = Lsn{std::max(s.received, s.replayed)};
    if (k.memory.server == s.run && k.memory.fenced && s.loaded.conn.empty() && !s.receiver) {
        f.timeline = Timeline{k.memory.fenced_timeline};
        f.end = Lsn{std::max(k.memory.fenced_end, s.replayed)};
        f.complete = Lsn{std::max(k.memory.fenced_complete, s.replayed)};
        f.end_exact = true;
        return;
    }
    if (s.receiver && s.received >= s.replayed)
        f.timeline = Timeline{s.receiver->timeline};
    else
        f.timeline = Timeline{timeline_at(*w.archive, m.disk.wal, f.end.v)};
}

void add_replication(const World& w, NodeIx node, keeper::Facts& f) {
    const Machine& m = *w.machines[node];
    if (m.server->receiver) {
        f.receiver.streaming = true;
        f.receiver.upstream = name_of(m.server->receiver->upstream);
        f.receiver.last_message_age = last_message(w, node, m.server->receiver->upstream);
    }
    for (const Walsender& sender : m.server->senders) {
        if (sender.impostor) continue;
        f.standbys.push_back(
            {id_of(sender.name), sender.streaming, Lsn{sender.flushed}, Lsn{sender.replayed}, Millis{0}});
    }
    for (NodeIx peer = 0; peer < w.nodes(); ++peer)
        if (m.disk.slots & (1U << peer)) f.slots.push_back(slot_name(name_of(peer)));
}

std::string names_text(const Names& names) {
    if (names.kind == Names::Kind::closed) return "ANY 1 (\"pgaf closed\")";
    if (names.kind == Names::Kind::none) return {};
    return names.kind == Names::Kind::padded ? "FIRST" : "ANY";
}

/// R14: whoever bears a member's name and is not that node is sent away.
void end_impostors(World& w, NodeIx node) {
    if (broken(Mutation::r14)) return;
    const auto senders = w.server(node)->senders;
    for (const Walsender& sender : senders)
        if (sender.impostor) end_sender(w, node, sender.link);
}

void add_running(World& w, NodeIx node, keeper::Facts& f, bool mark) {
    const Machine& m = *w.machines[node];
    const Server& s = *m.server;
    Keeper& k = w.keepers[node].edit();
    f.in_recovery = m.disk.standby_signal;
    f.open_to_clients = m.disk.conf.open_to_clients;
    if (k.answered_by != s.run) {
        k.answered_by = s.run;
        k.answered_at = w.now;
    }
    f.status = s.phase == Server::Phase::stopping     ? PgStatus::stopping
               : s.phase == Server::Phase::recovering ? PgStatus::starting
                                                      : PgStatus::running;
    // The mark that it writes first waits for the disk.
    const bool hangs = mark && m.writes == Writes::hang && s.phase == Server::Phase::primary;
    if (hangs) f.trouble = "PostgreSQL gives no answer";
    if (hangs && w.now - k.answered_at >= stuck_limit) f.status = PgStatus::stuck;
    if (hangs) return;
    if (!s.takes_connections()) {
        if (s.postmaster && !s.stuck)
            k.answered_at = w.now;  // "the database system is starting up" is an answer, too
        else
            f.trouble = "PostgreSQL gives no answer";
        if (w.now - k.answered_at >= stuck_limit) f.status = PgStatus::stuck;
        return;
    }
    k.answered_at = w.now;
    if (s.gives_no_session && w.now - s.no_session_since >= stuck_limit) {
        f.status = PgStatus::stuck;
        f.trouble = "PostgreSQL gives no new session";
    }
    f.in_recovery = s.in_recovery();
    f.system_id = system_id;
    f.checkpoint_timeline = Timeline{m.disk.checkpoint_timeline};
    f.standby_names = names_text(s.loaded.names);
    const bool put = k.memory.server == s.run && k.memory.put;
    if (s.loaded.names != (put ? *k.memory.put : m.disk.conf.names))
        f.alien_rule = "synchronous_standby_names is '" + f.standby_names + "', where the cluster's is another";
    if (s.in_recovery()) {
        add_standby(w, node, k, f);
    } else {
        f.timeline = Timeline{timeline_of(w, node)};
        f.end = f.replayed = Lsn{s.flushed};
        end_impostors(w, node);
        if (!f.open_to_clients && s.has_sessions) f.client_sessions = 1;
    }
    add_replication(w, node, f);
    f.forks = forks_of(w, m, f.timeline.v);
    f.histories = histories_above(m, f.timeline.v);
}

}  // namespace

keeper::Facts observe(World& w, NodeIx node, bool mark) {
    keeper::Facts f;
    const Machine& m = *w.machines[node];
    Keeper& k = w.keepers[node].edit();
    f.launcher_connected = m.launcher.alive && k.launcher_connected;
    f.leaving = k.leaving;
    f.exits = k.exits;
    f.crashed = m.launcher.crashed && !postmaster_lives(w, node);
    f.deadline_expired = m.launcher.expired && !postmaster_lives(w, node);
    f.pg_version = 150018;
    f.folder_incarnation = m.disk.has_data ? id_of(m.disk.id) : IncarnationId{};
    f.rebuilding = m.disk.rebuilding;
    f.wal_segment_bytes = segment_bytes;
    f.disk = disk_trouble(w, node);
    if (!f.launcher_connected) {
        f.trouble = "no connection to pgaf-launcher";
        return f;
    }
    if (k.start_asked) {
        f.status = PgStatus::starting;
    } else if (postmaster_lives(w, node)) {
        k.exit_untold = true;
        add_running(w, node, f, mark);
    } else {
        add_stopped(w, m, k, f);
    }
    return f;
}

}  // namespace pgaf::sim
