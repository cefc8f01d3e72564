// pgaf-sim --exhaustive: which worlds are walked, and what is printed.
#include <iomanip>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "tests/sim/exhaustive/search.h"

namespace pgaf::exhaustive {
namespace {

Budget budget_of(const std::string& text) {
    Budget all{};
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const auto at = part.find('=');
        const auto luck = from_word<Luck>(part.substr(0, at));
        if (!luck || at == std::string::npos) throw std::invalid_argument("no luck is called '" + part + "'");
        all[static_cast<std::size_t>(*luck)] = static_cast<std::uint8_t>(std::stoul(part.substr(at + 1)));
    }
    return all;
}

std::string text_of(const Budget& budget) {
    std::string text;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<Luck>>([&](auto d) {
        const unsigned times = budget[static_cast<std::size_t>(d.value)];
        if (times > 0) text += (text.empty() ? "" : ",") + std::string(d.name) + "=" + std::to_string(times);
    });
    return text;
}

std::string found_text(const Result& r) {
    if (!r.violation.empty()) return "VIOLATION after " + std::to_string(r.trace_length) + " actions";
    return r.completed ? "completed, 0 violations" : "not completed, 0 violations so far";
}

void print(const std::string& title, const Result& r, bool trace) {
    const double rate = r.cpu_seconds > 0 ? static_cast<double>(r.worlds) / r.cpu_seconds : 0;
    std::cout << std::left << std::setw(22) << title << std::right << std::setw(10) << r.worlds << " worlds, depth "
              << std::setw(2) << r.depth << ", " << std::fixed << std::setprecision(1) << r.seconds << " s ("
              << r.cpu_seconds << " s of CPU, " << static_cast<std::size_t>(rate) << "/s), " << r.transitions
              << " transitions, " << r.megabytes << " MB: " << found_text(r) << std::endl;
    if (r.violation.empty()) return;
    std::cout << "  " << r.violation << std::endl;
    if (!trace) return;
    for (const std::string& line : r.trace) std::cout << "  " << line << "\n";
    std::cout << std::flush;
}

/// 0: to its end without a violation; 1: a violation; 3: not to its end.
int walk(const Spec& spec, const Limits& limits) {
    const Result result = explore(spec, limits);
    print(spec.name, result, true);
    if (!result.violation.empty()) return 1;
    return result.completed ? 0 : 3;
}

/// The rule is missed by what it is for, and its world is well as far as that when it is kept.
bool is_missed(const Break& b, Limits limits) {
    active_mutation = b.rule;
    const Result result = explore(b.world, limits);
    active_mutation = Mutation::none;
    const bool found = result.trace_length > 0 && result.violation.starts_with(b.shown_by);
    print("break " + std::string(word(b.rule)), result, !found);
    if (!found) return false;
    limits.actions = result.trace_length;
    const Result kept = explore(b.world, limits);
    if (kept.violation.empty() && kept.depth + 1 == limits.actions) return true;
    print("kept " + std::string(word(b.rule)), kept, true);
    return false;
}

/// Each world to its end without a violation, and each broken rule found.
int run_suite(const Limits& limits) {
    bool well = true;
    for (const Spec& spec : worlds()) {
        const Result result = explore(spec, limits);
        print(spec.name, result, true);
        well = well && result.completed;
    }
    for (const Break& b : breaks()) well = is_missed(b, limits) && well;
    std::cout << (well ? "as expected\n" : "NOT as expected: a world was not completed, or a broken rule not found\n");
    return well ? 0 : 1;
}

}  // namespace

void list_worlds() {
    const auto list = [](const Spec& spec, const std::string& title) {
        std::cout << std::left << std::setw(22) << title << " " << spec.about << ": " << text_of(spec.budget) << "\n";
    };
    for (const Spec& spec : worlds()) list(spec, spec.name);
    for (const Spec& spec : large_worlds()) list(spec, spec.name);
    for (const Break& b : breaks()) list(b.world, "break " + std::string(word(b.rule)));
}

int run_exhaustive(const Command& command) {
    if (command.suite) return run_suite(command.limits);
    std::vector<Spec> wanted;
    for (const Spec& spec : worlds())
        if (command.world.empty() || command.world == "all" || command.world == spec.name) wanted.push_back(spec);
    for (const Spec& spec : large_worlds())
        if (command.world == "all" || command.world == spec.name) wanted.push_back(spec);
    // A broken rule's own world, when none is named.
    if (command.world.empty() && active_mutation != Mutation::none) {
        for (const Break& b : breaks())
            if (b.rule == active_mutation) wanted = {b.world};
    }
    if (wanted.empty()) {
        std::cerr << "pgaf-sim: there is no world '" << command.world << "'; --list-worlds names them\n";
        return 2;
    }
    int code = 0;
    for (Spec& spec : wanted) {
        if (!command.luck.empty()) spec.budget = budget_of(command.luck);
        if (const int other = walk(spec, command.limits); code != 1 && other != 0) code = other;
    }
    return code;
}

}  // namespace pgaf::exhaustive
