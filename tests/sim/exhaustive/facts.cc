// A look at the local PostgreSQL: keeper/postgres/facts_reader on the coarse model.
#include "common/mutation.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

constexpr const char* closed_text = "ANY 1 (\"pgaf closed\")";

void add_wal(const Node& node, keeper::Facts& f) {
    const Wal& wal = node.disk.wal;
    f.timeline = Timeline{timeline_of(wal)};
    f.forks = forks_of(wal);
    f.end = lsn_of(wal, wal.size());
    f.replayed = lsn_of(wal, whole(wal));
    f.wal_segment_bytes = segment_bytes;
}

void add_stopped(const Node& node, keeper::Facts& f) {
    f.status = PgStatus::stopped;
    f.in_recovery = node.disk.standby_signal;
    f.clean_shutdown = node.disk.clean;
    f.complete = f.replayed;
    f.end_exact = true;
}

void add_running(const Node& node, keeper::Facts& f) {
    const Server& server = node.server;
    f.status = PgStatus::running;
    f.in_recovery = server.in_recovery;
    if (server.in_recovery) {
        f.following = server.upstream == nobody ? NodeName{} : name_of(server.upstream);
        f.end_exact = server.fenced && !server.streaming;
        if (f.end_exact) f.complete = f.replayed;
        f.receiver.streaming = server.streaming;
        if (server.streaming) f.receiver.upstream = name_of(server.upstream);
    }
    for (const Sender& sender : server.senders)
        if (sender.connected) {
            const Lsn flushed = lsn_of(node.disk.wal, sender.flushed);
            f.standbys.push_back({sender.name, true, flushed, flushed, Millis{}});
        }
    const Names& names = server.names.back();
    f.standby_names = names.closed ? closed_text : names.rule.k == 0 ? "" : "ANY";
}

}  // namespace

keeper::Facts observe(const Scene& s, NodeIx n) {
    const Node& node = s.node(n);
    const Life life = node.server.life;
    keeper::Facts f;
    f.launcher_connected = true;
    f.exits = node.exits;
    f.crashed = node.server.crashed && life == Life::down;
    f.pg_version = 150018;
    f.status = PgStatus::absent;
    if (!node.disk.has_data) return f;
    f.folder_incarnation = node.disk.id;
    f.system_id = SystemId{"1"};
    f.open_to_clients = node.disk.open_to_clients;
    f.checkpoint_timeline = Timeline{node.disk.checkpoint_timeline};
    for (NodeIx peer = 0; peer < s.nodes(); ++peer)
        if (peer != n) f.slots.push_back(slot_name(name_of(peer)));
    add_wal(node, f);
    if (life == Life::running)
        add_running(node, f);
    else if (life == Life::down || broken(Mutation::r13))
        add_stopped(node, f);
    else
        f.status = PgStatus::stopping;
    return f;
}

}  // namespace pgaf::exhaustive
