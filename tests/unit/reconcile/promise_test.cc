#include "keeper/reconcile/promise.h"

#include <catch2/catch.hpp>

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

}  // namespace

TEST_CASE("R11: a goal that binds is refused by whoever has promised something else to another monitor since") {
    const Stamp said = stamp(3, 7, "m1");
    const Goal binds = goal(stamp(5, 2, "m2"), said);
    CHECK(judge(promised(said), binds).accepted);
    const Verdict since = judge(promised(stamp(3, 8, "m1")), binds);
    CHECK_FALSE(since.accepted);
    CHECK(since.why == "its monitor does not know that version 8 of epoch 1, term 3 is promised to another one");
    CHECK_FALSE(judge(promised(stamp(4, 1, "m3")), binds).accepted);
    // What this monitor has given itself it knows, whether it was heard or not.
    CHECK(judge(promised(stamp(4, 1, "m2")), binds).accepted);
    CHECK(judge(promised(stamp(5, 1, "m2")), binds).accepted);
    // Any other goal is for whoever has promised less.
    CHECK(judge(promised(stamp(3, 8, "m1")), goal(stamp(5, 2, "m2"), {})).accepted);
}

}  // namespace pgaf::keeper
