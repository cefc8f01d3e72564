#include "tests/sim/suite.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "common/mutation.h"

namespace pgaf::sim {
namespace {

/// Where a rule's absence shows: harm of all kinds, or of the kinds that it is there for, so that few seeds are enough.
struct Break {
    Mutation rule;
    std::uint64_t first = 1;
    std::uint64_t seeds = 1;
    std::vector<Harm> only;
    std::size_t nodes = 0;
    bool large = false;
    /// How its violations begin; whatever else is found first does not count as found.
    std::vector<const char*> shown_by;
    std::optional<bool> asynchronous = {};
};

const std::vector<Break>& breaks() {
    using H = Harm;
    static const std::vector<Break> all{
        // A rule that was told and is in no record any more counts, too.
        {Mutation::r1,
         1,
         60,
         {H::monitor_dies, H::postmaster, H::failover},
         0,
         false,
         {"I1", "I2", "I3", "I4", "I6", "R3"}},
        {Mutation::r2, 1, 20, {}, 0, false, {"I4"}},
        {Mutation::r2_epoch, 1, 20, {}, 0, false, {"I4"}},
        {Mutation::r3, 1, 120, {}, 0, false, {"R3", "I2", "I3", "I5"}},
        {Mutation::r4, 1, 60, {}, 0, false, {"I2", "I3", "I5"}},
        {Mutation::r4_goes_on, 1, 200, {}, 0, false, {"R3", "I2", "I3", "I5"}},
        {Mutation::r5, 1, 160, {}, 0, false, {"I2", "I5"}},
        {Mutation::r5_timeline, 1, 60, {H::isolate, H::postmaster, H::power}, 0, false, {"I10"}},
        {Mutation::r6_closed, 1, 120, {}, 0, false, {"R3", "I2", "I3"}},
        {Mutation::r6_hole, 1, 600, {H::slow, H::postmaster}, 3, true, {"I10", "I9"}},
        {Mutation::r7, 1, 60, {H::isolate, H::cut_monitor}, 0, false, {"I3"}, true},
        {Mutation::r8, 1, 60, {H::isolate}, 0, false, {"I7"}, false},
        {Mutation::r9, 1, 100, {}, 0, false, {"I1", "I2", "I3", "I4"}},
        {Mutation::r9_receiver, 1, 60, {}, 0, false, {"I2", "I3", "I4"}},
        {Mutation::r9_open, 1, 40, {}, 0, false, {"R9"}},
        {Mutation::r10,
         1,
         60,
         {H::second_monitor, H::keeper, H::postmaster, H::isolate},
         3,
         false,
         {"I1", "I2", "I3", "I4", "R3"}},
        {Mutation::r11, 1, 20, {H::lose_store, H::old_store}, 0, false, {"I1", "I2", "I3", "I4", "I5", "R3"}},
        {Mutation::r13,
         1,
         60,
         {H::postmaster, H::cut_monitor, H::failover, H::switchover},
         0,
         false,
         {"I2", "I3", "R3"}},
        {Mutation::r14, 1, 40, {H::impostor}, 0, false, {"R3", "I2", "I3", "I5"}},
    };
    return all;
}

bool is_its_own(const Break& b, const std::string& what) {
    return std::any_of(b.shown_by.begin(), b.shown_by.end(),
                       [&](const char* begin) { return what.starts_with(begin); });
}

/// The seed that shows it; 0: none does.
std::uint64_t find(const Break& b, std::string& what) {
    for (std::uint64_t seed = b.first; seed < b.first + b.seeds; ++seed) {
        RunOptions o;
        o.seed = seed;
        o.hours = 2;
        o.nodes = b.nodes;
        o.only = b.only;
        o.large = b.large;
        o.asynchronous = b.asynchronous;
        const RunResult r = run(o);
        if (!r.violation) continue;
        what = r.violation->what;
        if (is_its_own(b, what)) return seed;
    }
    return 0;
}

std::string in_short(const std::string& text) {
    constexpr std::size_t longest = 110;
    return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

}  // namespace

std::vector<Mutation> found_by_seeds() {
    std::vector<Mutation> rules;
    for (const Break& b : breaks()) rules.push_back(b.rule);
    return rules;
}

const std::vector<NotFound>& not_found_by_seeds() {
    static const std::vector<NotFound> all{
        {Mutation::r3_mixed,
         "its window is the few milliseconds in which one walsender has reloaded and another has not; within them a "
         "commit would have to be released, and the primary be lost before its other standby has that commit"},
    };
    return all;
}

bool find_breaks(const std::string& only) {
    bool all = true;
    for (const Break& b : breaks()) {
        const std::string name(word(b.rule));
        if (!only.empty() && only != name) continue;
        const auto began = std::chrono::steady_clock::now();
        active_mutation = b.rule;
        std::string what;
        const std::uint64_t seed = find(b, what);
        active_mutation = Mutation::none;
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        char line[256];
        std::snprintf(line, sizeof line, "%-12s %s %4llu  %5.1f s  ", name.c_str(),
                      seed != 0 ? "seed     " : "NOT FOUND", static_cast<unsigned long long>(seed), seconds);
        std::cout << line << in_short(what) << std::endl;
        all = all && seed != 0;
    }
    return all;
}

bool replays_alike(std::uint64_t first, std::uint64_t seeds, double hours) {
    bool all = true;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        RunOptions o;
        o.seed = seed;
        o.hours = hours;
        Trace once(1);
        Trace again(1);
        o.trace = &once;
        const RunResult a = run(o);
        o.trace = &again;
        const RunResult b = run(o);
        const bool same = once.hash() == again.hash() && once.lines() == again.lines() &&
                          a.count.events == b.count.events && a.stepped == b.stepped;
        std::cout << "seed " << seed << ": " << once.hash_text() << ", " << a.count.events
                  << " events, last: " << (once.lines().empty() ? "" : once.lines().back())
                  << (same ? "" : "   DIFFERS") << std::endl;
        all = all && same;
    }
    return all;
}

}  // namespace pgaf::sim
