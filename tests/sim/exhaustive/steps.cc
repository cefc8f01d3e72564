// What the keeper's steps do to the model. Those of R3 and R9 have two halves: what happens between them is what the
// rules are about.
#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

/// Phases of ApplyRule and OpenToClients.
enum : std::uint8_t {
    closing,   // the closed rule is put in force; the checkpointer has to see it
    proving,   // the stricter rule is put in force; walsenders may not have reloaded
    flushing,  // only the rule itself; k of S have to have what there is
    opening    // OpenToClients: k of S have to have what clients will see
};

bool closed(const Server& server) {
    return server.names.size() == 1 && server.names[0].closed;
}
bool releases_all(const Server& server) {
    return std::any_of(server.names.begin(), server.names.end(),
                       [](const Names& n) { return !n.closed && n.rule.k == 0; });
}

void start(Scene& s, NodeIx n, bool standby, NodeIx upstream, const IncarnationId& connects_as) {
    Node& node = s.edit(n);
    node.server = {};
    node.server.life = Life::running;
    node.server.in_recovery = node.disk.standby_signal = standby;
    node.server.upstream = upstream;
    node.server.connects_as = connects_as;
    const bool no_rule = broken(Mutation::r6_closed);
    node.server.names = {Names{!no_rule, {}}};
    node.server.waits = !no_rule;
    node.server.began = static_cast<std::uint8_t>(node.disk.wal.size());
    node.disk.open_to_clients = standby;
    node.disk.clean = false;
    if (!standby) node.disk.checkpoint_timeline = timeline_of(node.disk.wal);
}

Progress step(Scene& s, NodeIx n, const keeper::Initialise& initialise) {
    Node& node = s.edit(n);
    node.disk.has_data = node.disk.clean = true;
    node.disk.id = initialise.layout.incarnation;
    node.disk.wal = {{1, 0}};
    node.disk.checkpoint_timeline = 1;
    check_timeline(s, n, 1);
    return Progress::done;
}
Progress step(Scene& s, NodeIx n, const keeper::Adopt& adopt) {
    s.edit(n).disk.id = adopt.layout.incarnation;
    return Progress::done;
}
Progress step(Scene& s, NodeIx n, const keeper::StartPrimary&) {
    start(s, n, false, nobody, {});
    return Progress::done;
}
Progress step(Scene& s, NodeIx n, const keeper::StartStandby& standby) {
    start(s, n, true, node_of(standby.upstream), standby.layout.incarnation);
    return Progress::done;
}
Progress step(Scene& s, NodeIx n, const keeper::Follow& follow) {
    end_receiver(s, n);
    Server& server = s.edit(n).server;
    server.upstream = node_of(follow.upstream);
    server.connects_as = follow.layout.incarnation;
    server.fenced = false;
    return Progress::done;
}
Progress step(Scene& s, NodeIx n, const keeper::Fence&) {
    end_receiver(s, n);
    Server& server = s.edit(n).server;
    server.upstream = nobody;
    server.fenced = true;
    return Progress::done;
}

Progress step(Scene& s, NodeIx n, const keeper::Promote& promote) {
    Node& node = s.edit(n);
    const std::uint8_t own = timeline_of(node.disk.wal);
    const auto assigned = static_cast<std::uint8_t>(promote.timeline.v);
    const std::uint8_t taken = broken(Mutation::r5_timeline) ? static_cast<std::uint8_t>(own + 1) : assigned;
    node.server.in_recovery = node.disk.standby_signal = false;
    node.server.fenced = false;
    node.server.names = {Names{false, promote.rule.rule}};
    node.disk.wal.resize(whole(node.disk.wal));
    node.disk.wal.push_back({taken, 0});
    node.server.began = static_cast<std::uint8_t>(node.disk.wal.size());
    // Whoever has received a part of what was torn here connects anew, behind the fork.
    for (NodeIx peer = 0; peer < s.nodes(); ++peer) {
        const Server& server = s.node(peer).server;
        if (server.streaming && server.upstream == n && !is_prefix(s.node(peer).disk.wal, s.node(n).disk.wal))
            end_receiver(s, peer);
    }
    check_timeline(s, n, taken);
    check_opened(s, n);
    return Progress::done;
}

Progress put_final(Scene& s, NodeIx n, const SyncRule& rule) {
    Node& node = s.edit(n);
    node.server.names = {Names{false, rule}};
    if (rule.k == 0) node.server.waits = false;
    node.keeper.target = static_cast<std::uint8_t>(node.disk.wal.size());
    node.keeper.phase = flushing;
    release(s, n);
    if (rule.k == 0 || broken(Mutation::r3)) return Progress::done;
    if (broken(Mutation::r9_open) && !node.disk.open_to_clients) return Progress::done;
    return flushed_by_rule(s.node(n).server, rule, s.node(n).keeper.target) ? Progress::done : Progress::begun;
}

Progress step(Scene& s, NodeIx n, const keeper::ApplyRule& apply) {
    Node& node = s.edit(n);
    const SyncRule& rule = apply.rule.rule;
    if (rule.k == 0 || broken(Mutation::r3) || (closed(node.server) && node.server.waits)) return put_final(s, n, rule);
    if (releases_all(node.server) || !node.server.waits) {
        // Until the checkpointer has seen it, nothing waits.
        node.keeper.phase = closing;
        node.server.names = {Names{true, {}}};
        return Progress::begun;
    }
    // With k > 1 the way goes through the closed rule: no walsender counts both old and new standbys.
    const Names wanted = rule.k > 1 && !broken(Mutation::r3_mixed) ? Names{true, {}} : Names{false, rule};
    if (std::find(node.server.names.begin(), node.server.names.end(), wanted) == node.server.names.end())
        node.server.names.push_back(wanted);
    node.keeper.phase = proving;
    release(s, n);
    return Progress::begun;
}

/// Whoever waits is told nothing any more.
Progress step(Scene& s, NodeIx n, const keeper::CloseToClients&) {
    Node& node = s.edit(n);
    node.disk.open_to_clients = false;
    node.server.began = static_cast<std::uint8_t>(node.disk.wal.size());
    return Progress::done;
}

Progress step(Scene& s, NodeIx n, const keeper::OpenToClients& open) {
    Node& node = s.edit(n);
    node.keeper.phase = opening;
    node.keeper.target = static_cast<std::uint8_t>(node.disk.wal.size());
    const SyncRule& rule = open.rule.rule;
    if (rule.k > 0 && !broken(Mutation::r9_open) && !flushed_by_rule(node.server, rule, node.keeper.target))
        return Progress::begun;
    node.disk.open_to_clients = true;
    check_opened(s, n);
    return Progress::done;
}

Progress step(Scene& s, NodeIx n, const keeper::Checkpoint&) {
    Node& node = s.edit(n);
    node.disk.checkpoint_timeline = timeline_of(node.disk.wal);
    return Progress::done;
}

Progress step(Scene& s, NodeIx n, const keeper::Stop& stop) {
    const Node& node = s.node(n);
    const bool sends_all = stop.mode == StopMode::fast && !node.server.in_recovery;
    if (sends_all) {
        for (NodeIx peer = 0; peer < s.nodes(); ++peer) {
            const Sender& sender = node.server.senders[peer];
            if (sender.connected && s.linked(n, peer) && sender.flushed < node.disk.wal.size()) return Progress::waits;
        }
    }
    end_server(s, n, false);
    s.edit(n).disk.clean = stop.mode == StopMode::fast;
    return Progress::done;
}

bool source_answers(const Scene& s, NodeIx n, NodeIx source) {
    return source != nobody && s.node(source).power && s.node(source).server.life == Life::running &&
           s.linked(n, source);
}

Progress take_over(Scene& s, NodeIx n, NodeIx source, const IncarnationId& next) {
    const Disk& from = s.node(source).disk;
    Disk& disk = s.edit(n).disk;
    disk.has_data = disk.standby_signal = disk.open_to_clients = true;
    disk.clean = false;
    disk.id = next;
    disk.wal = from.wal;
    disk.wal.resize(whole(disk.wal));
    disk.hole = false;
    disk.checkpoint_timeline = from.checkpoint_timeline;
    return Progress::done;
}

Progress step(Scene& s, NodeIx n, const keeper::Rewind& rewind) {
    const NodeIx source = node_of(rewind.upstream);
    if (!source_answers(s, n, source)) return Progress::waits;
    // By the last checkpoints alone: without one on the source's timeline it sees nothing.
    if (s.node(source).disk.checkpoint_timeline == s.node(n).disk.checkpoint_timeline) return Progress::waits;
    return take_over(s, n, source, rewind.next);
}
Progress step(Scene& s, NodeIx n, const keeper::Clone& clone) {
    const NodeIx source = node_of(clone.upstream);
    return source_answers(s, n, source) ? take_over(s, n, source, clone.next) : Progress::waits;
}
Progress step(Scene& s, NodeIx n, const keeper::DropTornTail&) {
    Wal& wal = s.edit(n).disk.wal;
    wal.resize(whole(wal));
    return Progress::done;
}
Progress step(Scene&, NodeIx, const keeper::UpdatePeers&) {
    return Progress::done;
}

}  // namespace

Progress perform(Scene& s, NodeIx n, const keeper::Step& what) {
    return std::visit([&](const auto& one) { return step(s, n, one); }, what);
}

Progress go_on(Scene& s, NodeIx n) {
    Node& node = s.edit(n);
    if (const auto* open = std::get_if<keeper::OpenToClients>(&*node.keeper.under_way)) {
        if (!flushed_by_rule(node.server, open->rule.rule, node.keeper.target)) return Progress::waits;
        node.disk.open_to_clients = true;
        check_opened(s, n);
        return Progress::done;
    }
    const SyncRule& rule = std::get<keeper::ApplyRule>(*node.keeper.under_way).rule.rule;
    switch (node.keeper.phase) {
        case closing:
            if (!node.server.waits) return Progress::waits;
            return put_final(s, n, rule);
        case proving:
            return put_final(s, n, rule);
        default:
            return flushed_by_rule(node.server, rule, node.keeper.target) ? Progress::done : Progress::waits;
    }
}

}  // namespace pgaf::exhaustive
