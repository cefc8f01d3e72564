// PostgreSQL of the coarse model: replication, waiting commits, exits.
#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

bool lives(const Node& n) {
    return n.power && n.server.life != Life::down;
}

/// A walsender that has not reloaded yet counts all that any other has loaded a place for.
SyncRule mixed(const Server& server, const SyncRule& own) {
    SyncRule rule = own;
    for (const Names& names : server.names)
        if (!names.closed)
            rule.members.insert(rule.members.end(), names.rule.members.begin(), names.rule.members.end());
    std::sort(rule.members.begin(), rule.members.end());
    rule.members.erase(std::unique(rule.members.begin(), rule.members.end()), rule.members.end());
    return rule;
}

bool satisfied(const Server& server, std::uint8_t entries) {
    if (!server.waits) return true;
    return std::any_of(server.names.begin(), server.names.end(), [&](const Names& names) {
        if (names.closed) return false;
        const bool newest = &names == &server.names.back();
        return flushed_by_rule(server, newest ? names.rule : mixed(server, names.rule), entries);
    });
}

}  // namespace

bool serves_read_write(const Node& n) {
    return lives(n) && !n.server.in_recovery && n.disk.open_to_clients;
}

bool flushed_by_rule(const Server& server, const SyncRule& rule, std::uint8_t entries) {
    std::uint32_t count = 0;
    for (const IncarnationId& member : rule.members) {
        const bool confirmed = std::any_of(server.senders.begin(), server.senders.end(), [&](const Sender& sender) {
            return sender.connected && sender.name == member && sender.flushed >= entries;
        });
        if (confirmed) ++count;
        if (confirmed && server.impostor_of == node_of(member)) ++count;
    }
    return count >= rule.k;
}

void end_receiver(Scene& s, NodeIx standby) {
    Server& server = s.edit(standby).server;
    if (!server.streaming) return;
    server.streaming = false;
    s.edit(server.upstream).server.senders[standby] = {};
}

namespace {

void end_connections(Scene& s, NodeIx n) {
    end_receiver(s, n);
    for (NodeIx peer = 0; peer < s.nodes(); ++peer)
        if (s.node(peer).server.streaming && s.node(peer).server.upstream == n) end_receiver(s, peer);
}

}  // namespace

void end_server(Scene& s, NodeIx n, bool crashed) {
    if (s.node(n).server.life == Life::down) return;
    end_connections(s, n);
    Node& node = s.edit(n);
    if (node.server.life == Life::running) ++node.exits;
    node.server = {};
    node.server.crashed = crashed;
}

void orphan_server(Scene& s, NodeIx n) {
    Node& node = s.edit(n);
    node.server.life = Life::orphans;
    ++node.exits;
}

namespace {

/// What a receiver asks for begins with the segment in which its WAL ends. Where that is a torn record's end which the
/// upstream has not, it gets what comes after, and never what lies between (R6).
bool begins_behind_a_hole(Scene& s, NodeIx standby, const Wal& upstream) {
    const Wal& own = s.node(standby).disk.wal;
    if (own.empty() || !own.back().torn || !is_prefix(Wal(own.begin(), own.end() - 1), upstream)) return false;
    const Lsn asked = lsn_of(own, own.size());
    for (std::size_t i = own.size(); i <= upstream.size(); ++i) {
        if (lsn_of(upstream, i) != asked) continue;
        Disk& disk = s.edit(standby).disk;
        disk.wal.assign(upstream.begin(), upstream.begin() + static_cast<std::ptrdiff_t>(i));
        disk.hole = true;
        return true;
    }
    return false;
}

}  // namespace

bool connect_receiver(Scene& s, NodeIx standby) {
    const Server& server = s.node(standby).server;
    if (server.life != Life::running || !server.in_recovery || server.streaming || server.upstream == nobody)
        return false;
    const NodeIx upstream = server.upstream;
    const Node& up = s.node(upstream);
    if (!up.power || up.server.life != Life::running || !s.linked(standby, upstream)) return false;
    if (!is_prefix(s.node(standby).disk.wal, up.disk.wal) && !begins_behind_a_hole(s, standby, up.disk.wal))
        return false;
    s.edit(standby).server.streaming = true;
    const Node& own = s.node(standby);
    s.edit(upstream).server.senders[standby] = {true, own.server.connects_as,
                                                static_cast<std::uint8_t>(own.disk.wal.size())};
    release(s, upstream);
    return true;
}

namespace {

std::size_t sendable(const Node& upstream) {
    const bool all = !upstream.server.in_recovery || upstream.server.received_torn;
    return all ? upstream.disk.wal.size() : whole(upstream.disk.wal);
}

}  // namespace

bool flush_entry(Scene& s, NodeIx standby) {
    const Node& own = s.node(standby);
    if (!own.server.streaming) return false;
    const NodeIx upstream = own.server.upstream;
    const Wal& wal = s.node(upstream).disk.wal;
    const std::size_t has = own.disk.wal.size();
    if (!lives(s.node(upstream)) || !s.linked(standby, upstream) || has >= sendable(s.node(upstream))) return false;
    s.edit(standby).disk.wal.push_back(wal[has]);
    s.edit(standby).server.received_torn = wal[has].torn;
    const auto& names = s.node(upstream).server.names;
    const bool counts = std::any_of(names.begin(), names.end(), [&](const Names& n) {
        return n.rule.contains(s.node(upstream).server.senders[standby].name);
    });
    if (s.node(standby).disk.hole && counts)
        s.violated("I10: " + name_of(standby).v + ", which counts for " + name_of(upstream).v +
                   ", has a hole in its WAL before the segment that it confirms");
    s.edit(upstream).server.senders[standby].flushed = static_cast<std::uint8_t>(has + 1);
    release(s, upstream);
    return true;
}

bool write_commit(Scene& s, NodeIx n, bool is_long) {
    if (!serves_read_write(s.node(n)) || !s.spend(is_long ? Luck::longs : Luck::commits)) return false;
    Node& node = s.edit(n);
    const std::uint8_t timeline = timeline_of(node.disk.wal);
    const auto commit = static_cast<std::uint8_t>(++s.world.commits);
    if (is_long) node.disk.wal.push_back({timeline, commit, true});
    node.disk.wal.push_back({timeline, commit, false});
    release(s, n);
    return true;
}

void release(Scene& s, NodeIx n) {
    if (!lives(s.node(n)) || s.node(n).server.in_recovery) return;
    const Server& server = s.node(n).server;
    const Wal& wal = s.node(n).disk.wal;
    for (std::size_t i = server.began; i < wal.size(); ++i)
        if (wal[i].commit != 0 && !wal[i].torn && satisfied(server, static_cast<std::uint8_t>(i + 1)))
            check_acknowledged(s, n, wal[i]);
}

}  // namespace pgaf::exhaustive
