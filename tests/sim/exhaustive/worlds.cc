// The small worlds: how many nodes, and how often what may happen in them. docs/design/testing.md says how far
// each has been walked.
#include "tests/sim/exhaustive/search.h"

namespace pgaf::exhaustive {
namespace {

using enum Luck;
using Some = std::initializer_list<std::pair<Luck, std::uint8_t>>;

Spec world(std::string name, std::string about, std::size_t nodes, Some luck) {
    Spec spec;
    spec.name = std::move(name);
    spec.about = std::move(about);
    spec.nodes = spec.formed = nodes;
    for (const auto& [what, times] : luck) spec.budget[static_cast<std::size_t>(what)] = times;
    return spec;
}
Spec pair(std::string name, std::string about, Some luck) {
    return world(std::move(name), std::move(about), 2, luck);
}
Spec triple(std::string name, std::string about, Some luck) {
    return world(std::move(name), std::move(about), 3, luck);
}

/// The second node joins while the search goes on.
Spec joining(Spec spec) {
    spec.formed = 1;
    return spec;
}
Spec with_orphans(Spec spec) {
    spec.orphans = true;
    return spec;
}
/// Each commit waits for both standbys.
Spec on_two(Spec spec) {
    spec.number_sync_standbys = 2;
    return spec;
}
/// The last node is the operator's first choice.
Spec ordered(Spec spec) {
    spec.priorities = {50, 50, 60};
    return spec;
}
Spec with_leases(Spec spec) {
    spec.leases = true;
    return spec;
}
Spec asynchronous(Spec spec) {
    spec.asynchronous = true;
    return with_leases(spec);
}
Spec after(std::vector<std::string> script, Spec spec) {
    spec.script = std::move(script);
    return spec;
}
/// c has been away, and comes back after an operator has asked for two synchronous standbys.
Spec one_to_two() {
    return after({"power_off c", "pass_time", "deliver_goal a", "act a", "finish_step a", "report a", "ask_for_two",
                  "power_on c", "connect c", "deliver_goal c", "act c", "connect_receiver c"},
                 triple("triple-one-to-two", "the sync rule changes from one standby to two",
                        {{commits, 1}, {crashes, 1}, {slow, 1}}));
}

}  // namespace

const std::vector<Spec>& worlds() {
    static const std::vector<Spec> all{
        pair("pair-calm", "two nodes, nothing goes wrong", {{commits, 2}}),
        pair("pair-crash", "two nodes, a crash", {{commits, 1}, {crashes, 1}}),
        pair("pair-cut", "two nodes, a link is cut", {{commits, 1}, {cuts, 1}}),
        pair("pair-outage", "two nodes, a machine goes down", {{commits, 1}, {outages, 1}}),
        pair("pair-isolated", "two nodes, one is cut off", {{commits, 1}, {isolations, 1}}),
        pair("pair-monitor", "two nodes, a crash, the monitor dies", {{commits, 1}, {crashes, 1}, {monitor_deaths, 1}}),
        with_orphans(
            pair("pair-orphans", "two nodes, backends outlive their postmaster", {{commits, 1}, {crashes, 1}})),
        with_leases(pair("pair-leases", "two nodes, leases end, one is cut off", {{commits, 1}, {isolations, 1}})),
        asynchronous(
            pair("pair-asynchronous", "an asynchronous cluster, one is cut off", {{commits, 1}, {isolations, 1}})),
        pair("pair-overtaken", "two nodes, a crash, a second monitor takes the first one's store",
             {{crashes, 1}, {overtakes, 1}}),
        triple("triple-calm", "three nodes, nothing goes wrong", {{commits, 2}}),
        triple("triple-cut", "three nodes, a link is cut", {{commits, 1}, {cuts, 1}}),
        triple("triple-exit", "three nodes, a crash, no commit", {{crashes, 1}}),
        triple("triple-moved", "three nodes, an operator moves the primary, no commit", {{switchovers, 1}}),
    };
    return all;
}

const std::vector<Spec>& large_worlds() {
    static const std::vector<Spec> all{
        pair("pair-stale", "two nodes, a crash, a goal that comes again", {{commits, 1}, {crashes, 1}, {stale, 1}}),
        joining(pair("pair-join", "the second node joins meanwhile", {{commits, 2}, {crashes, 1}})),
        asynchronous(pair("pair-async-crash", "an asynchronous cluster, one is cut off and a process crashes",
                          {{commits, 1}, {crashes, 1}, {isolations, 1}})),
        joining(pair("pair-join-delay", "the second node joins, a crash, a report is late",
                     {{commits, 1}, {crashes, 1}, {delays, 1}})),
        asynchronous(
            triple("triple-asynchronous", "an asynchronous cluster, one is cut off", {{commits, 1}, {isolations, 1}})),
        triple("triple-torn", "three nodes, a crash, records that lie across the end of a segment",
               {{longs, 2}, {crashes, 1}}),
        pair("pair-store-old", "two nodes, a crash, the store is put back",
             {{commits, 1}, {crashes, 1}, {monitor_deaths, 1}, {store_restores, 1}}),
        pair("pair-store-lost", "two nodes, a crash, the store is lost",
             {{commits, 1}, {crashes, 1}, {monitor_deaths, 1}, {store_losses, 1}}),
        pair("pair-two-monitors",
             "two nodes, a crash, a keeper starts again, a second monitor takes the first one's store",
             {{commits, 1}, {crashes, 1}, {keeper_restarts, 1}, {overtakes, 1}}),
        one_to_two(),
        triple("triple-crash", "three nodes, a crash", {{commits, 1}, {crashes, 1}}),
        triple("triple-cuts", "three nodes, two links are cut", {{commits, 1}, {cuts, 2}}),
        triple("triple-isolated", "three nodes, one is cut off", {{commits, 1}, {isolations, 1}}),
        triple("triple-switchover", "three nodes, an operator moves the primary", {{commits, 1}, {switchovers, 1}}),
        pair("pair-restart", "two nodes, a crash, a keeper starts again",
             {{commits, 1}, {crashes, 1}, {keeper_restarts, 1}}),
        pair("pair-wipe", "two nodes, a crash, a disk is emptied", {{commits, 1}, {crashes, 1}, {wipes, 1}}),
        pair("pair-put-back", "two nodes, a standby's disk is put back", {{commits, 1}, {outages, 1}, {put_backs, 1}}),
        pair("pair-delay", "two nodes, a crash, a report is late",
             {{commits, 1}, {crashes, 1}, {delays, 1}, {slow, 1}}),
        ordered(triple("triple-order", "three nodes in the operator's order", {{commits, 1}, {crashes, 1}})),
    };
    return all;
}

const std::vector<Break>& breaks() {
    static const std::vector<Break> all{
        {Mutation::r1, "I1", pair("pair", "", {{crashes, 1}, {monitor_deaths, 1}, {cuts, 1}})},
        {Mutation::r2, "I4", joining(pair("pair-join", "", {{commits, 1}, {stale, 1}, {outages, 1}}))},
        {Mutation::r2_epoch, "I4", pair("pair", "", {{crashes, 1}, {stale, 1}})},
        {Mutation::r3, "I2, I5", joining(pair("pair-join", "", {{commits, 1}, {outages, 1}}))},
        {Mutation::r3_mixed, "I2, I5", one_to_two()},
        {Mutation::r4, "I2, I5", triple("triple", "", {{commits, 1}, {crashes, 1}, {slow, 1}})},
        // Counterexample 1: the false alarm has happened, and b has not heard of it.
        {Mutation::r4_goes_on, "I2, I5",
         after({"isolate a", "pass_time", "deliver_goal c", "act c", "report c", "heal a - monitor", "connect a",
                "deliver_goal a", "report a"},
               triple("triple", "after a false alarm", {{commits, 1}, {crashes, 1}, {slow, 1}}))},
        {Mutation::r5, "I2, I5", ordered(triple("triple-order", "", {{commits, 1}, {crashes, 1}}))},
        {Mutation::r5_timeline, "I10", triple("triple", "", {{crashes, 2}})},
        {Mutation::r6_closed, "I2, I5", triple("triple", "", {{commits, 1}, {crashes, 2}})},
        // b is about to be promoted; c has the first part of a record that ends with a segment.
        {Mutation::r6_hole, "I10",
         after({"long_commit a", "flush c", "crash_postmaster a", "report a", "deliver_goal b", "act b", "report b",
                "deliver_goal c", "act c", "report c"},
               triple("triple-torn", "after a crash, with a torn record", {{longs, 1}}))},
        {Mutation::r7, "I2, I3", asynchronous(pair("pair-asynchronous", "", {{commits, 1}, {isolations, 1}}))},
        {Mutation::r8, "I7", with_leases(pair("pair-leases", "", {{isolations, 1}}))},
        {Mutation::r9, "R9", pair("pair", "", {{outages, 1}})},
        {Mutation::r9_receiver, "R9", pair("pair", "", {{outages, 1}})},
        {Mutation::r9_open, "I2, I5", pair("pair", "", {{commits, 1}, {crashes, 2}})},
        {Mutation::r10, "I1", pair("pair", "", {{crashes, 1}, {keeper_restarts, 1}, {overtakes, 1}})},
        {Mutation::r11, "I1", pair("pair", "", {{crashes, 1}, {monitor_deaths, 1}, {store_restores, 1}})},
        {Mutation::r13, "I2, I3", with_orphans(triple("triple-orphans", "", {{commits, 1}, {crashes, 1}, {slow, 1}}))},
        {Mutation::r14, "I2, I5",
         on_two(triple("triple-two", "", {{commits, 1}, {crashes, 1}, {impostors, 1}, {slow, 1}}))},
    };
    return all;
}

const std::vector<sim::NotFound>& not_found_by_walk() {
    static const std::vector<sim::NotFound> all{};
    return all;
}

}  // namespace pgaf::exhaustive
