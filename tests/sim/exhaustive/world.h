// A state of the search: numbers of its parts (pool.h) and a few bits. And what belongs to all states of one search.
#pragma once

#include <string>
#include <vector>

#include "common/model/report.h"
#include "monitor/fsm/heart.h"
#include "tests/sim/exhaustive/machine.h"
#include "tests/sim/exhaustive/pool.h"

namespace pgaf::exhaustive {

/// The heart's clock stands still: as time passes, what it remembers grows older instead.
inline constexpr Millis heart_now{1'000'000'000};
/// So does the keepers'.
inline constexpr Millis keeper_now{1'000'000'000};

struct Monitor {
    bool alive = false;
    /// Alive: the heart's, and what is stored is its record. Dead: the stored record alone.
    fsm::ClusterRecord record;
    fsm::Memory memory;
    /// r1 broken: what was durable before the last decision.
    std::optional<fsm::ClusterRecord> stored;
};
BOOST_DESCRIBE_STRUCT(Monitor, (), (alive, record, memory, stored))

/// From here on the primary of `epoch` is one that has these commits, and those that it writes on its timeline.
struct Reign {
    std::uint64_t epoch = 0;
    std::uint8_t timeline = 0;
    std::uint32_t commits = 0;
};
BOOST_DESCRIBE_STRUCT(Reign, (), (epoch, timeline, commits))

/// What no process knows and the checks ask for.
struct Ghost {
    /// Commits that a client was told of, or shown.
    std::uint32_t acknowledged = 0;
    std::uint32_t timelines = 0;
    std::vector<Reign> reigns;
    /// I1: whom the record told to be primary of each epoch, epoch 1 first.
    std::vector<IncarnationId> told;
    /// I4: the highest that each incarnation has made durable.
    std::map<IncarnationId, Stamp> promised;
    /// I7: for how many node timeouts a node has served after another one was chosen, and heard nobody.
    std::array<std::uint8_t, most_nodes> stale{};
};
BOOST_DESCRIBE_STRUCT(Ghost, (), (acknowledged, timelines, reigns, told, promised, stale))

/// How often something may still happen.
///   delays   a report stays on its way while other things happen
///   stale    a goal arrives once more, later
///   longs    a commit whose record lies across the end of a segment, and is flushed in two parts
///   settings an operator asks for two synchronous standbys
///   slow     node_timeout passes although somebody has something to do that takes less
BOOST_DEFINE_FIXED_ENUM_CLASS(Luck, std::uint8_t, commits, crashes, outages, keeper_restarts, monitor_deaths, cuts,
                              delays, stale, slow, isolations, wipes, put_backs, store_restores, switchovers, impostors,
                              longs, settings)
inline constexpr std::size_t lucks = 17;
using Budget = std::array<std::uint8_t, lucks>;

struct World {
    std::uint32_t monitor = 0;
    std::uint32_t ghost = 0;
    std::array<std::uint32_t, most_nodes> node{};
    /// A report that is delayed, and holds up those after it; the newest goal on its way; a goal that arrives again.
    std::array<std::uint32_t, most_nodes> up{};
    std::array<std::uint32_t, most_nodes> down{};
    std::array<std::uint32_t, most_nodes> echo{};
    Budget budget{};
    /// Bits 0-2: monitor and node; 4-6: a and b, a and c, b and c.
    std::uint8_t cut = 0;
    /// The monitor has still to learn that this node's session ended.
    std::uint8_t closing = 0;
    std::uint8_t commits = 0;
    friend bool operator==(const World&, const World&) = default;
};
static_assert(sizeof(World) == 4 * (2 + 4 * most_nodes) + lucks + 3, "no padding: it is hashed as it lies");

/// A named small world.
struct Spec {
    std::string name;
    std::string about;
    std::size_t nodes = 2;
    Budget budget{};
    /// Nodes that are there before the search begins; the others are switched on in it.
    std::size_t formed = 2;
    std::optional<std::uint32_t> number_sync_standbys;
    /// Backends outlive their postmaster.
    bool orphans = false;
    /// Leases run (R8): they end after two node timeouts.
    bool leases = false;
    /// The cluster is declared asynchronous (R7).
    bool asynchronous = false;
    /// Candidate priority of each node.
    std::array<std::uint32_t, most_nodes> priorities{50, 50, 50};
    /// Actions, as the trace names them, that have happened when the search begins; they cost no luck.
    std::vector<std::string> script = {};
};

struct Pools {
    Pool<Monitor> monitors;
    Pool<Ghost> ghosts;
    Pool<Node> nodes;
    Pool<Report> reports;
    Pool<Goal> goals;
};

class HeartMemo;
struct Search {
    Spec spec;
    Pools pools;
    HeartMemo& hearts;
    /// The world before anything goes wrong: what a disk or a store is put back to.
    World first;
};

}  // namespace pgaf::exhaustive
