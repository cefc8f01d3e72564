// Who streams from whom, and which commits are acknowledged by it.
#include <algorithm>

#include "tests/unit/fsm/lab.h"

namespace pgaf::lab {
namespace {

/// wal_sender_timeout and wal_receiver_timeout: after so long without a word a connection counts as broken.
constexpr std::int64_t wal_timeout_ms = 2500;

}  // namespace

void Lab::cut(const std::string& a, const std::string& b, bool apart) {
    const auto pair = std::minmax(a, b);
    if (apart)
        cuts_.insert(pair);
    else
        cuts_.erase(pair);
}

bool Lab::connected(const std::string& a, const std::string& b) const {
    return !cuts_.contains(std::minmax(a, b));
}

bool Lab::reaches_monitor(const Node& n) const {
    return heart && n.responsive() && connected(n.name.v, "monitor");
}

bool Lab::reach(const Node& a, const Node& b) const {
    return a.responsive() && b.responsive() && connected(a.name.v, b.name.v);
}

void Lab::run_links() {
    for (auto& [name, s] : nodes) {
        const bool wants =
            s.running && s.in_recovery && !s.upstream.empty() && nodes.contains(s.upstream) && s.upstream != name;
        if (s.link && (!wants || s.link->upstream != s.upstream)) s.link.reset();
        if (!wants) continue;
        Node& u = nodes.at(s.upstream);
        if (reach(s, u)) {
            if (!u.running || !can_stream(s.folder, u.folder)) {
                s.link.reset();
                continue;
            }
            if (!s.lagging) stream(s.folder, u.folder);
            // A receiver confirms what it has streamed itself, beginning with what had been replayed before.
            s.link = Link{u.name, now, s.folder.hole ? s.folder.flushed() : s.folder.complete()};
        } else if (s.link && (now - s.link->contact).v >= wal_timeout_ms) {
            s.link.reset();
        }
    }
}

void Lab::acknowledge() {
    std::vector<Commit> waiting;
    std::vector<Commit> done;
    for (const Commit& c : pending) {
        const Node& p = nodes.at(c.by);
        if (!p.read_write() || p.state.incarnation != c.incarnation) continue;  // its session is gone
        const bool released = p.responsive() && std::any_of(p.live.begin(), p.live.end(), [&](const NamedRule& r) {
                                  return confirmed(p, r.rule, c.lsn) >= r.rule.k;
                              });
        (released ? done : waiting).push_back(c);
    }
    pending = waiting;
    for (const Commit& c : done) watch_acknowledged(c);
}

void Lab::end_leases() {
    for (auto& [name, n] : nodes) {
        if (!n.read_write() || !n.power || !n.state.goal) continue;
        const Goal& goal = *n.state.goal;
        if (!goal.asynchronous || goal.irreplaceable || (goal.role != Role::primary && goal.role != Role::fence))
            continue;
        const SyncRule& rule = goal.rule.rule;
        const auto confirms = [&, &primary = n](const auto& entry) {
            const Node& s = entry.second;
            return s.link && s.link->upstream == primary.name && s.link->contact == now &&
                   rule.contains(s.state.incarnation);
        };
        const auto count = std::count_if(nodes.begin(), nodes.end(), confirms);
        const bool all = !rule.members.empty() && static_cast<std::size_t>(count) == rule.members.size();
        if (n.responsive() && all) n.carried = now;
        if (now - std::max(n.answered, n.carried) < goal.lease) continue;
        tell("   " + name.v + ": its lease is over, PostgreSQL stops");
        exit_server(n);
    }
}

void Lab::pump() {
    // A cascade passes on in one go what it gets.
    for (std::size_t i = 0; i < nodes.size(); ++i) run_links();
    end_leases();
    acknowledge();
}

std::size_t Lab::confirmed(const Node& primary, const SyncRule& rule, Lsn lsn) const {
    return static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [&](const auto& entry) {
        const Node& s = entry.second;
        return s.link && s.link->upstream == primary.name && rule.contains(s.state.incarnation) &&
               s.link->flushed >= lsn;
    }));
}

std::uint64_t Lab::write(Node& n, std::uint64_t bytes) {
    if (!n.read_write() || !n.writable || !n.responsive()) return 0;
    n.folder.append(++last_record_, bytes);
    const std::uint64_t record = last_record_;
    pending.push_back({record, n.folder.complete(), n.name, n.state.incarnation});
    pump();
    return record;
}

bool Lab::is_acknowledged(std::uint64_t record) const {
    return std::find(watch.acknowledged.begin(), watch.acknowledged.end(), record) != watch.acknowledged.end();
}

}  // namespace pgaf::lab
