// The small worlds, by name, and the command line's way to them.
#include <iomanip>
#include <iostream>

#include "tests/sim/exhaustive/search.h"

namespace pgaf::exhaustive {
namespace {

Budget budget(std::initializer_list<std::pair<Luck, std::uint8_t>> some) {
    Budget all{};
    for (const auto& [luck, times] : some) all[static_cast<std::size_t>(luck)] = times;
    return all;
}

std::vector<Spec> make_worlds() {
    using enum Luck;
    std::vector<Spec> all;
    const auto add = [&](std::string name, std::string about, std::size_t nodes, Budget luck) -> Spec& {
        all.push_back({std::move(name), std::move(about), nodes, luck, nodes, std::nullopt, false});
        return all.back();
    };
    add("pair-calm", "two nodes, commits, nothing goes wrong", 2, budget({{commits, 2}}));
    add("pair-crash", "two nodes, one crash", 2, budget({{commits, 1}, {crashes, 1}}));
    return all;
}

void print(const Spec& spec, const Result& r) {
    const double rate = r.seconds > 0 ? static_cast<double>(r.worlds) / r.seconds : 0;
    std::cout << std::left << std::setw(20) << spec.name << " " << std::setw(10) << r.worlds << " worlds, depth "
              << r.depth << ", " << std::fixed << std::setprecision(1) << r.seconds << " s ("
              << static_cast<std::size_t>(rate) << "/s, " << r.transitions << " transitions, " << r.monitors
              << " monitors, " << r.nodes << " nodes, " << r.megabytes << " MB): "
              << (!r.violation.empty() ? "VIOLATION after " + std::to_string(r.trace_length) + " actions"
                  : r.completed        ? std::string("completed, 0 violations")
                                       : std::string("not completed, 0 violations so far"))
              << std::endl;
    if (r.trace.empty()) return;
    for (const std::string& line : r.trace) std::cout << "  " << line << "\n";
    std::cout << "  " << r.violation << std::endl;
}

}  // namespace

const std::vector<Spec>& worlds() {
    static const std::vector<Spec> all = make_worlds();
    return all;
}

void list_worlds() {
    for (const Spec& spec : worlds()) std::cout << std::left << std::setw(20) << spec.name << " " << spec.about << "\n";
}

int run_exhaustive(const std::string& world, const Limits& limits) {
    bool known = false;
    bool violated = false;
    for (const Spec& spec : worlds()) {
        if (!world.empty() && spec.name != world) continue;
        known = true;
        const Result result = explore(spec, limits);
        print(spec, result);
        violated = violated || !result.violation.empty();
    }
    if (!known) {
        std::cerr << "pgaf-sim: there is no world '" << world << "'; --list-worlds names them\n";
        return 2;
    }
    return violated ? 1 : 0;
}

}  // namespace pgaf::exhaustive
