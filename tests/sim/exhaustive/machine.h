// A node of the coarse model: a disk, a server and a keeper as one plain value. No time, no bytes: WAL is a short
// sequence of entries, and a step of the keeper happens at once, or in two where the protocol lives from what happens
// between.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "common/reflect.h"
#include "keeper/reconcile/facts.h"
#include "keeper/reconcile/promise.h"
#include "keeper/reconcile/run.h"

namespace pgaf::exhaustive {

using NodeIx = std::uint8_t;
inline constexpr std::size_t most_nodes = 3;
inline constexpr NodeIx nobody = 255;

/// One record of the WAL: a commit, or the beginning of its timeline (commit 0). A commit has one number for ever.
struct Entry {
    std::uint8_t timeline = 0;
    std::uint8_t commit = 0;
    /// A long record is two entries: the first ends with its segment, the second is the rest of it.
    bool torn = false;
    friend bool operator==(const Entry&, const Entry&) = default;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (timeline, commit, torn))

using Wal = std::vector<Entry>;

/// A walsender, under the name of the connection that it serves.
struct Sender {
    bool connected = false;
    IncarnationId name;
    /// How many entries it knows to be flushed there.
    std::uint8_t flushed = 0;
    friend bool operator==(const Sender&, const Sender&) = default;
};
BOOST_DESCRIBE_STRUCT(Sender, (), (connected, name, flushed))

///   down     nothing lives
///   running  takes connections
///   orphans  the postmaster is gone, what it left behind goes on (R13)
BOOST_DEFINE_ENUM_CLASS(Life, down, running, orphans)

/// What stands in synchronous_standby_names.
struct Names {
    bool closed = true;
    SyncRule rule;
    friend bool operator==(const Names&, const Names&) = default;
};
BOOST_DESCRIBE_STRUCT(Names, (), (closed, rule))

struct Server {
    Life life = Life::down;
    bool in_recovery = false;
    NodeIx upstream = nobody;
    IncarnationId connects_as;
    bool streaming = false;
    /// Fence was carried out in this run, and nothing followed since.
    bool fenced = false;
    /// It has received the torn end of its WAL itself: one that was started with it passes on only what it replays.
    bool received_torn = false;
    /// Each of them may still release a commit: while a rule changes, a walsender may not have reloaded yet.
    std::vector<Names> names;
    /// The checkpointer has seen that commits wait; until then they don't.
    bool waits = true;
    /// It ended by itself after one of its processes had died.
    bool crashed = false;
    /// Length of the WAL when this run began: the clients of what is older are gone.
    std::uint8_t began = 0;
    std::array<Sender, most_nodes> senders;
    /// A connection that bears the name of this node's incarnation and is not it (R14).
    NodeIx impostor_of = nobody;
    friend bool operator==(const Server&, const Server&) = default;
};
BOOST_DESCRIBE_STRUCT(Server, (),
                      (life, in_recovery, upstream, connects_as, streaming, fenced, received_torn, names, waits,
                       crashed, began, senders, impostor_of))

struct Disk {
    bool has_data = false;
    IncarnationId id;
    Wal wal;
    bool standby_signal = false;
    bool clean = false;
    bool open_to_clients = false;
    std::uint8_t checkpoint_timeline = 0;
    /// It was sent WAL from the start of a segment on, and lacks what its upstream has before that (R6).
    bool hole = false;
    /// The state file.
    keeper::Promise promise;
    friend bool operator==(const Disk&, const Disk&) = default;
};
BOOST_DESCRIBE_STRUCT(Disk, (),
                      (has_data, id, wal, standby_signal, clean, open_to_clients, checkpoint_timeline, hole, promise))

struct Keeper {
    bool alive = false;
    /// It has an open session, as far as it knows.
    bool connected = false;
    keeper::Run run;
    /// It has looked at PostgreSQL; and has taken a goal in this run.
    bool looked = false;
    bool heard = false;
    /// Its newest report, by number.
    std::uint32_t sent = 0;
    bool problem = false;
    /// ApplyRule and OpenToClients take more than one action.
    std::optional<keeper::Step> under_way;
    std::uint8_t phase = 0;
    std::uint8_t target = 0;
    friend bool operator==(const Keeper&, const Keeper&) = default;
};
BOOST_DESCRIBE_STRUCT(Keeper, (), (alive, connected, run, looked, heard, sent, problem, under_way, phase, target))

struct Node {
    bool power = true;
    Disk disk;
    Server server;
    Keeper keeper;
    /// Exits of the postmaster that the launcher has seen.
    std::uint8_t exits = 0;
    std::uint8_t boots = 0;
    std::uint8_t incarnations = 0;
    friend bool operator==(const Node&, const Node&) = default;
};
BOOST_DESCRIBE_STRUCT(Node, (), (power, disk, server, keeper, exits, boots, incarnations))

// ---- names ----------------------------------------------------------------------------------------------------------

inline NodeName name_of(NodeIx node) {
    return NodeName{std::string(1, static_cast<char>('a' + node))};
}
inline NodeIx node_of(const NodeName& name) {
    return name.empty() ? nobody : static_cast<NodeIx>(name.v[0] - 'a');
}
/// The node-th folder of a node: "b2".
inline IncarnationId incarnation_of(NodeIx node, std::uint8_t count) {
    return IncarnationId{name_of(node).v + std::to_string(count)};
}
inline NodeIx node_of(const IncarnationId& id) {
    return id.empty() ? nobody : static_cast<NodeIx>(id.v[0] - 'a');
}

// ---- WAL ------------------------------------------------------------------------------------------------------------

inline constexpr std::uint64_t segment_bytes = 0x100000;
/// Where the first so many entries end, as the heart and the reconciler see it.
[[nodiscard]] Lsn lsn_of(const Wal& wal, std::size_t entries);
/// How many entries are whole records.
inline std::size_t whole(const Wal& wal) {
    return wal.size() - (!wal.empty() && wal.back().torn ? 1 : 0);
}
inline std::uint8_t timeline_of(const Wal& wal) {
    return wal.empty() ? 1 : wal.back().timeline;
}
[[nodiscard]] std::vector<TimelineFork> forks_of(const Wal& wal);
/// Every entry of `wal` is in `other`, in the same place.
[[nodiscard]] bool is_prefix(const Wal& wal, const Wal& other);
/// A bit for each commit.
[[nodiscard]] std::uint32_t commits_of(const Wal& wal);

}  // namespace pgaf::exhaustive
