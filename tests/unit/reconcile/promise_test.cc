#include "keeper/reconcile/promise.h"

#include <catch2/catch.hpp>
#include <random>
#include <tuple>

#include "common/json.h"

namespace pgaf::keeper {
namespace {

Stamp stamp(std::uint64_t term, std::uint64_t version, const char* monitor) {
    return {Epoch{1}, Term{term}, Version{version}, MonitorId{monitor}};
}

Promise promised(const Stamp& what) {
    Promise promise;
    promise.node = NodeName{"a"};
    promise.incarnation = IncarnationId{"a1"};
    promise.promised = what;
    return promise;
}

Goal goal(const Stamp& is, const Stamp& after) {
    Goal goal;
    goal.node = NodeName{"a"};
    goal.incarnation = IncarnationId{"a1"};
    goal.stamp = is;
    goal.after = after;
    return goal;
}

auto order(const Stamp& s) {
    return std::tuple(s.epoch, s.term, s.version);
}

/// Of one of the first epochs, terms and versions; in a term now and then of a monitor that it is not the term of.
Goal any_goal(std::mt19937_64& dice, const Promise& promise) {
    const auto one_of = [&](std::uint64_t n) { return dice() % n + 1; };
    Goal g;
    g.node = promise.node;
    g.incarnation = promise.incarnation;
    g.stamp = {Epoch{one_of(3)}, Term{one_of(3)}, Version{one_of(4)}, {}};
    g.stamp.monitor = MonitorId{"m" + std::to_string(one_of(8) == 1 ? one_of(3) : g.stamp.term.v)};
    g.role = static_cast<Role>(dice() % 4);
    return g;
}

}  // namespace

TEST_CASE("I4: no goal and no start of the keeper takes a promise back, nor does what is acted on lie below it (R2)") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        INFO("seed " << seed);
        std::mt19937_64 dice(seed);
        Promise promise = promised({});
        for (int i = 0; i < 30; ++i) {
            const Promise before = promise;
            const auto what = dice() % 12;
            if (what == 0) {
                promise = from_json<Promise>(to_json(promise)).value();
                REQUIRE(promise == before);
            } else if (what == 1) {
                promise = new_incarnation(promise, IncarnationId{"a" + std::to_string(i + 2)});
                REQUIRE(promise.promised.epoch == before.promised.epoch);
                REQUIRE_FALSE(promise.goal);
            } else {
                const Goal offered = any_goal(dice, promise);
                const bool accepted = judge(promise, offered).accepted;
                if (order(offered.stamp) < order(before.promised)) REQUIRE_FALSE(accepted);
                if (offered.stamp.epoch > before.promised.epoch) REQUIRE(accepted);
                if (accepted) promise = accept(promise, offered);
                REQUIRE(order(promise.promised) >= order(before.promised));
            }
            if (promise.goal) REQUIRE(promise.goal->stamp == promise.promised);
        }
    }
}

TEST_CASE("R11: a goal that binds is refused by whoever has promised something else to another monitor since") {
    const Stamp said = stamp(3, 7, "m1");
    const Goal binds = goal(stamp(5, 2, "m2"), said);
    CHECK(judge(promised(said), binds).accepted);
    const Verdict since = judge(promised(stamp(3, 8, "m1")), binds);
    CHECK_FALSE(since.accepted);
    CHECK(since.why ==
          "its monitor does not know that version 8 of epoch 1, term 3 is promised to another one; it is told "
          "now, and gives a new goal by itself");
    CHECK_FALSE(judge(promised(stamp(4, 1, "m3")), binds).accepted);
    // What this monitor has given itself it knows, whether it was heard or not.
    CHECK(judge(promised(stamp(4, 1, "m2")), binds).accepted);
    CHECK(judge(promised(stamp(5, 1, "m2")), binds).accepted);
    // Any other goal is for whoever has promised less.
    CHECK(judge(promised(stamp(3, 8, "m1")), goal(stamp(5, 2, "m2"), {})).accepted);
}

}  // namespace pgaf::keeper
