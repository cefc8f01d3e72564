// What every store must do, run against each implementation.
#include <catch2/catch.hpp>
#include <functional>
#include <memory>

#include "monitor/store/memory_store.h"
#include "monitor/store/sqlite_store.h"
#include "tests/unit/store/support.h"

using namespace pgaf;
using namespace pgaf::monitor;
using pgaf::test::a_record;
using pgaf::test::an_entry;
using pgaf::test::must;

namespace {

std::vector<std::uint64_t> seqs(const std::vector<Event>& events) {
    std::vector<std::uint64_t> numbers;
    for (const auto& event : events) numbers.push_back(event.seq);
    return numbers;
}

/// Runs `body` with a fresh store of each kind that keeps `kept` events.
void with_each(std::uint32_t kept, const std::function<void(Store&)>& body) {
    SECTION("memory") {
        MemoryStore store(kept);
        must(store.begin_term(MonitorId{"m1"}));
        body(store);
    }
    SECTION("sqlite") {
        test::TemporaryFolder folder;
        auto store = must(open_sqlite_store({folder.file("monitor.db"), kept}));
        must(store->begin_term(MonitorId{"m1"}));
        body(*store);
    }
}

}  // namespace

TEST_CASE("a record comes back as it was saved, the newest one only") {
    with_each(100, [](Store& store) {
        CHECK(must(store.load()).empty());
        auto one = a_record("one");
        must(store.save(one, {}, 1000));
        must(store.save(a_record("two"), {}, 1000));
        one.epoch.v = 8;
        must(store.save(one, {}, 1001));
        const auto loaded = must(store.load());
        REQUIRE(loaded.size() == 2);
        CHECK(loaded[0] == one);
        CHECK(loaded[1] == a_record("two"));
    });
}

TEST_CASE("terms grow") {
    with_each(100, [](Store& store) {
        const Term first = must(store.begin_term(MonitorId{"m2"}));
        CHECK(must(store.begin_term(MonitorId{"m3"})).v == first.v + 1);
    });
}

TEST_CASE("events are numbered over all clusters and listed of one") {
    with_each(100, [](Store& store) {
        const auto first = must(store.save(a_record("one"), {an_entry("a"), an_entry("b")}, 1000));
        REQUIRE(first.size() == 2);
        CHECK(first[0].entry.kind == "a");
        CHECK(first[1].seq == first[0].seq + 1);
        must(store.save(a_record("two"), {an_entry("c")}, 2000));
        must(store.save(a_record("one"), {an_entry("d")}, 3000));

        const auto all = must(store.events({ClusterName{"one"}}));
        CHECK(seqs(all) == std::vector<std::uint64_t>{1, 2, 4});
        CHECK(all[2].unix_ms == 3000);
        CHECK(all[2].cluster.v == "one");
        CHECK(all[2].entry.evidence == "evidence of d");
        CHECK(all[2].entry.node.v == "node1");
        CHECK(all[2].entry.epoch.v == 7);
        CHECK(all[2].entry.rule == "row");
        CHECK(must(store.last_event(ClusterName{"one"})) == 4);
        CHECK(must(store.last_event(ClusterName{"none"})) == 0);
        CHECK(must(store.events({ClusterName{"none"}})).empty());
    });
}

TEST_CASE("event queries: after, since, limit from either end") {
    with_each(100, [](Store& store) {
        for (int i = 1; i <= 6; ++i) must(store.save(a_record("one"), {an_entry("e")}, 1000 * i));
        const ClusterName one{"one"};
        using Seqs = std::vector<std::uint64_t>;
        CHECK(seqs(must(store.events({.cluster = one, .after = 4}))) == Seqs{5, 6});
        CHECK(seqs(must(store.events({.cluster = one, .since_unix_ms = 3000}))) == Seqs{3, 4, 5, 6});
        CHECK(seqs(must(store.events({.cluster = one, .limit = 2}))) == Seqs{5, 6});
        CHECK(seqs(must(store.events({.cluster = one, .after = 1, .limit = 2, .newest = false}))) == Seqs{2, 3});
        CHECK(must(store.events({.cluster = one, .after = 6})).empty());
    });
}

TEST_CASE("the event log is bounded for each cluster, and numbers are not used again") {
    with_each(10, [](Store& store) {
        must(store.save(a_record("quiet"), {an_entry("kept")}, 1));
        for (int i = 0; i < 400; ++i) must(store.save(a_record("loud"), {an_entry("e")}, i));
        const auto loud = must(store.events({.cluster = ClusterName{"loud"}, .limit = 1000}));
        CHECK(loud.size() >= 10);
        CHECK(loud.size() <= 10 + 128);
        CHECK(loud.back().seq == 401);
        CHECK(must(store.events({ClusterName{"quiet"}})).size() == 1);
    });
}
