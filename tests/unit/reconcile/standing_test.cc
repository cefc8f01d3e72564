// Where a node's WAL stands to the history, case by case.
#include <catch2/catch.hpp>

#include "keeper/reconcile/standing.h"

namespace pgaf::keeper {
namespace {

using Kind = Standing::Kind;
using History = std::vector<HistoryEntry>;

HistoryEntry entry(std::uint32_t timeline, std::optional<std::uint64_t> fork, std::uint64_t floor = 0) {
    HistoryEntry e;
    e.timeline = Timeline{timeline};
    e.epoch = Epoch{timeline};
    if (fork) e.fork = Lsn{*fork};
    e.floor = Lsn{fork.value_or(floor)};
    return e;
}

Facts node(std::uint32_t timeline, std::uint64_t complete, std::uint64_t end, std::vector<TimelineFork> forks = {}) {
    Facts f;
    f.timeline = Timeline{timeline};
    f.complete = Lsn{complete};
    f.end = Lsn{end};
    f.forks = std::move(forks);
    f.wal_segment_bytes = 0x1000;
    return f;
}

TimelineFork left(std::uint32_t timeline, std::uint64_t end) {
    return {Timeline{timeline}, Lsn{end}};
}

}  // namespace

TEST_CASE("nothing is concluded from what is not known") {
    const History history{entry(1, std::nullopt)};
    CHECK(stand(Facts{}, history).kind == Kind::unknown);
    CHECK(stand(node(1, 0, 0), history).kind == Kind::unknown);
    CHECK(stand(node(1, 0x100, 0x100), {}).kind == Kind::unknown);
    CHECK(stand(node(1, 0x100, 0x100), history).kind == Kind::prefix);
}

TEST_CASE("the end of the node's newest timeline decides") {
    const History history{entry(1, std::nullopt), entry(2, 0x1500)};
    CHECK(stand(node(1, 0x1500, 0x1500), history).kind == Kind::prefix);
    CHECK(stand(node(1, 0x1400, 0x1400), history).kind == Kind::prefix);
    const Standing beyond = stand(node(1, 0x1508, 0x1508), history);
    CHECK(beyond.kind == Kind::diverged);
    CHECK(beyond.timeline == Timeline{1});
    CHECK(beyond.fork == Lsn{0x1500});
    // Where only the flushed end is known, it counts as complete.
    CHECK(stand(node(1, 0, 0x1508), history).kind == Kind::diverged);
    // LSNs of different timelines are never compared: beyond the fork, but on the newest timeline.
    CHECK(stand(node(2, 0x9000, 0x9000, {left(1, 0x1500)}), history).kind == Kind::prefix);
}

TEST_CASE("a torn tail counts from the segment after the fork's on, its boundary included (R6)") {
    const History history{entry(1, std::nullopt), entry(2, 0x1500)};
    CHECK(stand(node(1, 0x1500, 0x1FFF), history).kind == Kind::prefix);
    CHECK(stand(node(1, 0x1500, 0x2000), history).kind == Kind::torn_tail);
    CHECK(stand(node(1, 0x1500, 0x2800), history).kind == Kind::torn_tail);
    CHECK(stand(node(1, 0x1500, 0x2800), history).fork == Lsn{0x1500});
    // A fork on the boundary itself: everybody asks for the segment that begins there.
    const History boundary{entry(1, std::nullopt), entry(2, 0x2000)};
    CHECK(stand(node(1, 0x2000, 0x2800), boundary).kind == Kind::prefix);
    CHECK(stand(node(1, 0x2000, 0x2000), boundary).kind == Kind::prefix);
    CHECK(stand(node(1, 0x2000, 0x3000), boundary).kind == Kind::torn_tail);
    // The floor stands in for a fork that nobody has reported yet.
    const History unknown{entry(1, std::nullopt), entry(2, std::nullopt, 0x1500)};
    CHECK(stand(node(1, 0x1500, 0x2000), unknown).kind == Kind::torn_tail);
    CHECK(stand(node(1, 0x1500, 0x1800), unknown).kind == Kind::prefix);
}

TEST_CASE("a fork that nobody has reported is matched by any at or after its floor (R5)") {
    const History history{entry(1, std::nullopt), entry(2, std::nullopt, 0x1500)};
    CHECK(stand(node(2, 0x1900, 0x1900, {left(1, 0x1600)}), history).kind == Kind::prefix);
    CHECK(stand(node(2, 0x1900, 0x1900, {left(1, 0x1400)}), history).kind == Kind::diverged);
    CHECK(stand(node(1, 0x1600, 0x1600), history).kind == Kind::unknown);
}

TEST_CASE("forks have to be the history's") {
    const History history{entry(1, std::nullopt), entry(2, 0x1500), entry(3, 0x2500)};
    CHECK(stand(node(3, 0x3000, 0x3000, {left(1, 0x1500), left(2, 0x2500)}), history).kind == Kind::prefix);
    CHECK(stand(node(3, 0x3000, 0x3000, {left(1, 0x1500), left(2, 0x2400)}), history).kind == Kind::diverged);
    CHECK(stand(node(2, 0x2500, 0x2500, {left(1, 0x1500)}), history).kind == Kind::prefix);
    CHECK(stand(node(2, 0x2600, 0x2600, {left(1, 0x1500)}), history).kind == Kind::diverged);
    // It skipped a timeline that the cluster really had.
    const Standing skipped = stand(node(3, 0x3000, 0x3000, {left(1, 0x2500)}), history);
    CHECK(skipped.kind == Kind::diverged);
    CHECK(skipped.fork == Lsn{0x1500});
    // A timeline of its own.
    const Standing own = stand(node(4, 0x3000, 0x3000, {left(1, 0x1500), left(2, 0x2000)}), history);
    CHECK(own.kind == Kind::diverged);
    CHECK(own.timeline == Timeline{2});
    CHECK(own.fork == Lsn{0x2000});
    CHECK(stand(node(9, 0x3000, 0x3000), history).kind == Kind::diverged);
}

}  // namespace pgaf::keeper
