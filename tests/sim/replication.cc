#include "tests/sim/replication.h"

#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/checks.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

constexpr Micros retry_interval = 100 * ms;
constexpr Micros retransmit = 200 * ms;

Walsender* find_sender(Server& s, std::uint32_t link) {
    for (Walsender& sender : s.senders)
        if (sender.link == link) return &sender;
    return nullptr;
}
const Walsender* find_sender(const Server& s, std::uint32_t link) {
    for (const Walsender& sender : s.senders)
        if (sender.link == link) return &sender;
    return nullptr;
}

bool has_receiver(const World& w, NodeIx node, std::uint32_t link) {
    const auto& s = w.server(node);
    return s && s->receiver && s->receiver->link == link;
}

Micros slowness(const World& w, std::size_t from, std::size_t to) {
    return w.network->slow[from * w.network->machines + to];
}

/// What a server can send: a standby passes on what it has received, complete or not (T).
std::uint64_t sendable(const World& w, NodeIx node) {
    const Server& s = *w.server(node);
    const std::uint64_t base = w.machines[node]->disk.wal.base().to;
    if (!s.in_recovery()) return s.flushed;
    return std::min(base, std::max(s.replayed, s.received));
}

bool slot_is_free(const Server& s, NodeIx peer) {
    if (broken(Mutation::r14)) return true;
    return std::none_of(s.senders.begin(), s.senders.end(),
                        [&](const Walsender& sender) { return sender.peer == peer; });
}

/// By the numbers of the timelines alone: what lies on them nobody compares (R5).
bool timeline_fits(const World& w, NodeIx node, NodeIx upstream) {
    const Machine& own = *w.machines[node];
    const std::uint64_t replayed = complete_end(*w.archive, own.disk.wal);
    const std::uint32_t timeline = timeline_at(*w.archive, own.disk.wal, replayed);
    return w.archive->left(w.machines[upstream]->disk.wal.base().branch, timeline) >= replayed;
}

/// Why the upstream does not take this receiver now.
bool may_connect(const World& w, NodeIx node, NodeIx upstream) {
    const Machine& up = *w.machines[upstream];
    if (!w.machine_runs(upstream) || !up.server || !up.server->gives_sessions()) return false;
    if (!w.network->both_ways(node, upstream)) return false;
    if ((up.server->loaded.access & (1U << node)) == 0 || (up.disk.slots & (1U << node)) == 0) return false;
    if (!slot_is_free(*up.server, node) || !timeline_fits(w, node, upstream)) return false;
    return segment_start(w.machines[node]->disk.wal.end()) <= sendable(w, upstream);
}

/// An answer's number stands above its LSN: it may be held up, but none comes after a later one.
constexpr unsigned number_at = 44;

void answer(World& w, NodeIx node, Micros low, Micros high, std::uint64_t flushed) {
    Receiver& r = *w.edit_server(node).receiver;
    const Micros slow = slowness(w, node, r.upstream);
    const std::uint64_t number = ++r.answers;
    note_confirmed(w, node);
    w.after(low * slow, high * slow, {Ev::reply, r.upstream, r.link, flushed | number << number_at});
}

void plan_reply(World& w, NodeIx node, Micros low, Micros high) {
    answer(w, node, low, high, w.server(node)->received);
}

/// A receiver that begins to stream says at first how far it has replayed, not what it has flushed (T).
void say_replayed(World& w, NodeIx node) {
    answer(w, node, 200, 2 * ms, w.server(node)->replayed);
}

/// Streaming begins at the start of the segment in which the node's WAL ends, complete or not (T).
void begin_streaming(World& w, NodeIx node, std::uint32_t timeline) {
    Machine& m = w.machines[node].edit();
    Receiver& r = *m.server->receiver;
    r.next = segment_start(m.disk.wal.end());
    if (m.server->received == 0 || m.server->received_timeline != timeline) m.server->received = r.next;
    m.server->received_timeline = r.timeline = timeline;
    say_replayed(w, node);
}

/// Where to cut what is sent next: often between records, often not.
std::uint64_t piece(World& w, NodeIx upstream, std::uint64_t next, std::uint64_t ready) {
    if (!w.chance(0.25)) return ready;
    const BranchIx branch = w.machines[upstream]->disk.wal.base().branch;
    std::uint64_t start = w.archive->complete_before(branch, ready - 1);
    start = std::max(start, next);
    const std::uint64_t boundary = segment_start(ready);
    if (boundary > next && boundary < ready && w.chance(0.7)) return boundary;
    if (ready - start < 2) return ready;
    return start + static_cast<std::uint64_t>(w.between(1, static_cast<std::int64_t>(ready - start - 1)));
}

/// The upstream has been promoted meanwhile: the old timeline is sent up to the fork, then the new one is asked for.
bool switch_timeline(World& w, NodeIx node, NodeIx upstream, std::uint64_t ready) {
    const Receiver& r = *w.server(node)->receiver;
    const BranchIx branch = w.machines[upstream]->disk.wal.base().branch;
    const std::uint32_t timeline = timeline_at(*w.archive, w.machines[upstream]->disk.wal, ready);
    if (timeline == r.timeline) return true;
    const std::uint64_t fork = w.archive->left(branch, r.timeline);
    if (fork > r.next) return true;
    if (fork == 0 || !timeline_fits(w, node, upstream)) {
        const std::uint32_t link = r.link;
        end_sender(w, upstream, link);
        return false;
    }
    begin_streaming(w, node, timeline);
    return true;
}

void plan_chunk(World& w, NodeIx node) {
    const auto& s = w.server(node);
    if (!s || !s->receiver || s->receiver->coming || s->receiver->ends) return;
    const NodeIx upstream = s->receiver->upstream;
    const auto& up = w.server(upstream);
    if (!up || !find_sender(*up, s->receiver->link) || find_sender(*up, s->receiver->link)->frozen) return;
    const std::uint64_t ready = sendable(w, upstream);
    if (!switch_timeline(w, node, upstream, ready)) return;
    const std::uint64_t next = w.server(node)->receiver->next;
    if (ready <= next) return;
    std::uint64_t to = piece(w, upstream, next, ready);
    const std::uint64_t fork =
        w.archive->left(w.machines[upstream]->disk.wal.base().branch, w.server(node)->receiver->timeline);
    if (fork > next) to = std::min(to, fork);
    Receiver& r = *w.edit_server(node).receiver;
    r.coming = Chunk{w.machines[upstream]->disk.wal.base().branch, next, to};
    const Micros slow = slowness(w, upstream, node) * (w.machines[node]->slow_disk ? 40 : 1);
    w.after(200 * slow, 2 * ms * slow, {Ev::wal, node, r.link});
}

/// SyncRepGetSyncRecPtr: how far commits are released by this walsender, by its own settings, over the priorities that
/// each walsender has worked out for itself.
std::uint64_t sync_position(const Server& server, const Walsender& self) {
    std::vector<const Walsender*> candidates;
    for (const Walsender& c : server.senders)
        if (c.priority() > 0 && c.streaming && c.flushed > 0) candidates.push_back(&c);
    const std::size_t k = self.names.k;
    if (candidates.size() < k) return 0;
    if (self.names.kind == Names::Kind::any) {
        std::sort(candidates.begin(), candidates.end(),
                  [](const auto* a, const auto* b) { return a->flushed > b->flushed; });
        return candidates[k - 1]->flushed;
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto* a, const auto* b) { return a->priority() < b->priority(); });
    std::uint64_t least = ~0ULL;
    bool among = false;
    for (std::size_t i = 0; i < k; ++i) {
        least = std::min(least, candidates[i]->flushed);
        among = among || candidates[i] == &self;
    }
    return among ? least : 0;
}

}  // namespace

// ---- connections ----------------------------------------------------------------------------------------------------

void plan_connect(World& w, NodeIx node, Micros low, Micros high) {
    w.after(low, high, {Ev::receiver_connects, node, w.server(node)->run});
}

void on_receiver_connects(World& w, NodeIx node, std::uint32_t run) {
    // The startup process has been told of a reload before anybody could see it; it looks before it asks for a
    // receiver.
    if (w.server(node) && w.server(node)->startup_reload_due) on_startup_reloads(w, node, run);
    const auto& s = w.server(node);
    if (!s || s->run != run || s->phase != Server::Phase::standby || !s->postmaster || s->receiver || s->replay_held)
        return;
    const Conn conn = s->startup_conn;
    if (conn.empty()) return;
    // The segment that it asks for counts as received up to its start, whether anybody sends it or not (T).
    if (s->received == 0) w.edit_server(node).received = segment_start(w.machines[node]->disk.wal.end());
    if (!may_connect(w, node, conn.upstream)) {
        const bool unreachable = !w.network->both_ways(node, conn.upstream) || !w.machine_runs(conn.upstream);
        return plan_connect(w, node, unreachable ? 5 * retry_interval : retry_interval, 6 * retry_interval);
    }
    Walsender sender;
    sender.link = ++w.network.edit().last_link;
    sender.peer = node;
    sender.name = conn.name;
    sender.names = w.server(conn.upstream)->loaded.names;
    w.edit_server(conn.upstream).senders.push_back(sender);
    Machine& m = w.machines[node].edit();
    m.server->receiver = Receiver{sender.link, conn.upstream, conn.name, 0, 0, std::nullopt, false};
    const Machine& up = *w.machines[conn.upstream];
    // It fetches the history files that it lacks.
    for (const std::uint32_t t : up.disk.histories)
        if (!std::binary_search(m.disk.histories.begin(), m.disk.histories.end(), t))
            m.disk.histories.insert(std::lower_bound(m.disk.histories.begin(), m.disk.histories.end(), t), t);
    const std::uint64_t start = segment_start(m.disk.wal.end());
    begin_streaming(w, node, timeline_at(*w.archive, up.disk.wal, std::max(start + 1, m.server->replayed)));
    w.say(node, [&] { return "streams from " + name_of(conn.upstream).v; });
    plan_chunk(w, node);
}

void end_receiver(World& w, NodeIx node) {
    if (!w.server(node) || !w.server(node)->receiver) return;
    const Receiver r = *w.server(node)->receiver;
    w.edit_server(node).receiver.reset();
    if (w.server(r.upstream))
        w.after(200, 5 * ms, {Ev::sender_lost, r.upstream, r.link, w.network->passes(node, r.upstream) ? 0U : 1U});
    const auto& s = w.server(node);
    if (s->phase == Server::Phase::standby && s->postmaster) plan_connect(w, node, retry_interval, 2 * retry_interval);
    check_left_alone(w, node, "has lost its primary");
}

void end_sender(World& w, NodeIx node, std::uint32_t link) {
    const auto& s = w.server(node);
    if (!s || !find_sender(*s, link)) return;
    const NodeIx peer = find_sender(*s, link)->peer;
    std::erase_if(w.edit_server(node).senders, [&](const Walsender& sender) { return sender.link == link; });
    if (peer != nobody && has_receiver(w, peer, link)) {
        w.edit_server(peer).receiver->ends = true;
        w.after(200, 5 * ms, {Ev::receiver_lost, peer, link, w.network->passes(node, peer) ? 0U : 1U});
    }
    look_whether_drained(w, node);
}

void on_sender_lost(World& w, NodeIx node, std::uint32_t link, bool check) {
    const auto& s = w.server(node);
    const Walsender* sender = s ? find_sender(*s, link) : nullptr;
    if (!sender || sender->frozen) return;
    if (check && sender->peer != nobody) {
        if (has_receiver(w, sender->peer, link)) {
            if (!silent_for(w, node, sender->peer, wal_timeout)) return;
        } else if (!w.network->passes(sender->peer, node)) {
            return w.after(wal_timeout, wal_timeout + 500 * ms, {Ev::sender_lost, node, link, 0});
        }
    }
    end_sender(w, node, link);
}

void on_receiver_lost(World& w, NodeIx node, std::uint32_t link, bool check) {
    if (!has_receiver(w, node, link)) return;
    const Receiver& r = *w.server(node)->receiver;
    const bool passes = w.network->passes(r.upstream, node);
    // It was to be given up because its walsender had been stopped, which has gone on meanwhile.
    if (!check && !r.ends && w.server(r.upstream)) {
        const Walsender* sender = find_sender(*w.server(r.upstream), link);
        if (sender && !sender->frozen) return;
    }
    if (check && r.ends && !passes)
        return w.after(wal_timeout, wal_timeout + 500 * ms, {Ev::receiver_lost, node, link, 0});
    if (check && !r.ends && !silent_for(w, node, r.upstream, wal_timeout)) return;
    // What was sent before the end comes before it.
    if (r.ends && r.coming && passes) return w.after(ms, 3 * ms, {Ev::receiver_lost, node, link, check ? 1U : 0U});
    end_receiver(w, node);
}

void drop_links(World& w, NodeIx node, bool told) {
    const Server s = *w.server(node);
    const Micros low = told ? 200 : wal_timeout;
    const Micros high = told ? 3 * ms : wal_timeout + 500 * ms;
    for (const Walsender& sender : s.senders) {
        if (sender.peer == nobody || !has_receiver(w, sender.peer, sender.link)) continue;
        w.edit_server(sender.peer).receiver->ends = true;
        w.after(low, high, {Ev::receiver_lost, sender.peer, sender.link, told ? 1U : 0U});
    }
    if (s.receiver && w.server(s.receiver->upstream))
        w.after(low, high, {Ev::sender_lost, s.receiver->upstream, s.receiver->link, told ? 1U : 0U});
}

// ---- WAL ------------------------------------------------------------------------------------------------------------

void kick_senders(World& w, NodeIx node) {
    if (!w.server(node)) return;
    std::vector<NodeIx> peers;
    for (const Walsender& sender : w.server(node)->senders) {
        if (sender.impostor) w.after(100, ms, {Ev::reply, node, sender.link, sendable(w, node)});
        if (sender.peer != nobody && has_receiver(w, sender.peer, sender.link)) peers.push_back(sender.peer);
    }
    for (const NodeIx peer : peers) plan_chunk(w, peer);
}

void on_wal(World& w, NodeIx node, std::uint32_t link) {
    if (!has_receiver(w, node, link) || !w.server(node)->receiver->coming) return;
    if (!w.network->passes(w.server(node)->receiver->upstream, node))
        return w.after(retransmit, 2 * retransmit, {Ev::wal, node, link});
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    const Chunk chunk = *s.receiver->coming;
    s.receiver->coming.reset();
    s.receiver->next = chunk.to;
    write(*w.archive, m.disk.wal, chunk.from, chunk.branch, chunk.to);
    s.received = chunk.to;
    if (!s.replay_held) s.replayed = complete_end(*w.archive, m.disk.wal);
    plan_reply(w, node, 100, 2 * ms);
    plan_chunk(w, node);
    kick_senders(w, node);
}

void on_reply(World& w, NodeIx node, std::uint32_t link, std::uint64_t numbered) {
    const auto& s = w.server(node);
    const Walsender* found = s ? find_sender(*s, link) : nullptr;
    if (!found) return;
    if (found->frozen || (found->peer != nobody && !w.network->passes(found->peer, node)))
        return w.after(retransmit, 2 * retransmit, {Ev::reply, node, link, numbered});
    const std::uint64_t flushed = numbered % (1ULL << number_at);
    const auto number = static_cast<std::uint32_t>(numbered >> number_at);
    if (number < found->heard) return;
    Server& server = w.edit_server(node);
    Walsender& sender = *find_sender(server, link);
    sender.heard = number;
    sender.flushed = flushed;
    sender.streaming = true;
    if (!sender.impostor && has_receiver(w, sender.peer, link)) {
        sender.replayed = std::min(flushed, w.server(sender.peer)->replayed);
        check_confirmed(w, node, sender.peer, sender.priority() > 0);
    }
    if (sender.priority() > 0 && !server.in_recovery()) {
        const std::uint64_t upto = sync_position(server, sender);
        if (upto > 0) release(w, node, upto);
    }
    look_whether_drained(w, node);
}

void on_sender_reloads(World& w, NodeIx node, std::uint32_t link) {
    const auto& s = w.server(node);
    const Walsender* found = s ? find_sender(*s, link) : nullptr;
    if (!found || !found->reload_due || found->frozen || s->reloads_late) return;
    Machine& m = w.machines[node].edit();
    Walsender& sender = *find_sender(*m.server, link);
    sender.reload_due = false;
    sender.names = m.disk.conf.names;
}

// ---- a primary's flushes and releases -------------------------------------------------------------------------------

void plan_flush(World& w, NodeIx node) {
    if (w.server(node)->flush_planned) return;
    Server& s = w.edit_server(node);
    s.flush_planned = true;
    const Micros slow = w.machines[node]->slow_disk ? 500 : 1;
    w.after(200 * slow, 3 * ms * slow, {Ev::flushed, node, s.run});
}

void on_flushed(World& w, NodeIx node, std::uint32_t run) {
    if (!w.server(node) || w.server(node)->run != run || w.server(node)->phase != Server::Phase::primary) return;
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    s.flush_planned = false;
    const BranchIx branch = m.disk.wal.base().branch;
    const std::uint64_t inserted = (*w.archive)[branch].end();
    if (inserted <= s.flushed) return;
    // Pages are flushed as they become full: often a record is on disk in part only.
    std::uint64_t to = inserted;
    const std::uint64_t last = w.archive->complete_before(branch, inserted - 1);
    if (last >= s.flushed && inserted - last > 8192 && w.chance(0.4))
        to = piece(w, node, std::max(last, s.flushed), inserted);
    s.flushed = to;
    m.disk.wal.extents.back().to = to;
    w.archive.edit().publish(branch, to);
    if (to < inserted) plan_flush(w, node);
    release(w, node, w.server(node)->sync_defined ? w.server(node)->released : w.server(node)->flushed);
    kick_senders(w, node);
}

void release(World& w, NodeIx node, std::uint64_t upto) {
    Server& s = w.edit_server(node);
    if (s.sync_defined) s.released = std::max(s.released, upto);
    std::vector<Waiting> done;
    std::erase_if(s.waiting, [&](const Waiting& waiting) {
        if (waiting.lsn > std::min(upto, s.flushed)) return false;
        done.push_back(waiting);
        return true;
    });
    for (const Waiting& commit : done) {
        ++w.count.acknowledged;
        if (w.trace) w.trace->acknowledged(w.now, node, commit.commit, Lsn{commit.lsn}.text());
        check_acknowledged(w, node, commit.lsn);
    }
}

}  // namespace pgaf::sim
