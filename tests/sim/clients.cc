#include "tests/sim/clients.h"

#include "tests/sim/checks.h"
#include "tests/sim/lease.h"
#include "tests/sim/replication.h"

namespace pgaf::sim {
namespace {

/// Mostly small; some as large as a segment, so that records lie across its boundary.
std::uint64_t commit_bytes(World& w) {
    if (!w.chance(w.options->large ? 0.5 : 0) && w.chance(0.75))
        return static_cast<std::uint64_t>(w.between(100, 8000));
    if (!w.options->large && w.chance(0.8)) return static_cast<std::uint64_t>(w.between(100'000, 6'000'000));
    return static_cast<std::uint64_t>(w.between(segment_bytes / 2, segment_bytes + 1000));
}

}  // namespace

bool try_commit(World& w, NodeIx node) {
    const auto& seen = w.server(node);
    if (!seen || seen->phase != Server::Phase::primary || seen->stuck || w.machines[node]->frozen) return false;
    if (!w.network->both_ways(w.client_place(), node)) return false;
    Machine& m = w.machines[node].edit();
    Server& s = *m.server;
    if (s.postmaster && !s.gives_no_session && s.loaded.open_to_clients) s.has_sessions = true;
    if (!s.has_sessions) return false;
    check_read(w, node);
    // One that was authenticating when clients were shut out may see it, and is ended a look later (protocol.md,
    // limits).
    if (s.unseen > 0 && s.loaded.open_to_clients) check_seen(w, node, std::exchange(s.unseen, 0));
    const BranchIx branch = m.disk.wal.base().branch;
    const std::uint32_t commit = static_cast<std::uint32_t>(++w.count.commits);
    Archive& archive = w.archive.edit();
    archive.append(branch, commit_bytes(w), commit);
    s.waiting.push_back({archive[branch].end(), commit});
    plan_flush(w, node);
    return true;
}

void on_client(World& w) {
    for (NodeIx node = 0; node < w.nodes(); ++node) (void)try_commit(w, node);
    w.after(40 * ms, 300 * ms, {Ev::client});
}

}  // namespace pgaf::sim
