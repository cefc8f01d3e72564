#include "tests/sim/found.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "tests/sim/exhaustive/search.h"
#include "tests/sim/suite.h"

namespace pgaf::sim {
namespace {

/// What one way to find broken rules says of itself.
struct Way {
    const char* name;
    std::vector<Mutation> finds;
    const std::vector<NotFound>& misses;
};

/// "by seeds", or why not. A rule must be in one of the two lists.
std::string said_of(const Way& way, Mutation rule, bool& listed_once) {
    const bool found = std::find(way.finds.begin(), way.finds.end(), rule) != way.finds.end();
    const auto miss =
        std::find_if(way.misses.begin(), way.misses.end(), [&](const NotFound& m) { return m.rule == rule; });
    const bool missed = miss != way.misses.end();
    listed_once = found != missed;
    if (found && missed) return std::string("BOTH FOUND AND NOT FOUND ") + way.name;
    if (found) return way.name;
    return missed ? std::string("not ") + way.name + ": " + miss->reason : std::string("NOT LISTED ") + way.name;
}

}  // namespace

bool list_breaks() {
    Way by_seeds{"by seeds", found_by_seeds(), not_found_by_seeds()};
    Way by_walk{"by walk", {}, exhaustive::not_found_by_walk()};
    for (const exhaustive::Break& b : exhaustive::breaks()) by_walk.finds.push_back(b.rule);
    bool well = true;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<Mutation>>([&](auto d) {
        if (d.value == Mutation::none) return;
        std::size_t not_found = 0;
        std::cout << std::left << std::setw(13) << d.name;
        for (const Way* way : {&by_walk, &by_seeds}) {
            bool listed_once = false;
            const std::string said = said_of(*way, d.value, listed_once);
            if (said != way->name) ++not_found;
            std::cout << (way == &by_walk ? "" : "; ") << said;
            well = well && listed_once;
        }
        std::cout << (not_found == 2 ? "   FOUND BY NOTHING" : "") << "\n";
        well = well && not_found < 2;
    });
    return well;
}

}  // namespace pgaf::sim
