// pgaf-sim: whole clusters on a virtual clock, by seed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "common/mutation.h"
#include "tests/sim/exhaustive/search.h"
#include "tests/sim/found.h"
#include "tests/sim/suite.h"

namespace pgaf::sim {
namespace {

struct Args {
    std::uint64_t seed = 1;
    std::uint64_t seeds = 1;
    double hours = 8;
    std::size_t nodes = 0;
    double rest = 600;
    unsigned threads = 2;
    std::string broken;
    std::string without;
    std::string only;
    std::size_t last_act = 0;
    std::size_t lines = 60;
    bool trace = false;
    bool list_rules = false;
    bool list_breaks = false;
    bool list_harms = false;
    bool no_shrink = false;
    bool keep_going = false;
    bool exhaustive = false;
    bool list_worlds = false;
    exhaustive::Command small;
    bool large = false;
    bool asynchronous = false;
    bool breaks = false;
    bool twice = false;
    double limit = 0;
};

/// "1-17,20"
std::set<std::size_t> numbers(const std::string& text) {
    std::set<std::size_t> all;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const auto dash = part.find('-');
        const std::size_t first = std::stoul(part);
        const std::size_t last = dash == std::string::npos ? first : std::stoul(part.substr(dash + 1));
        for (std::size_t i = first; i <= last; ++i) all.insert(i);
    }
    return all;
}

/// "power,freeze"; words that are none are left out
std::vector<Harm> harms(const std::string& text) {
    std::vector<Harm> all;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        if (const auto harm = from_word<Harm>(part)) all.push_back(*harm);
    }
    return all;
}

std::string numbers(const std::set<std::size_t>& all) {
    std::string text;
    for (auto i = all.begin(); i != all.end();) {
        const std::size_t first = *i;
        std::size_t last = first;
        for (++i; i != all.end() && *i == last + 1; ++i) ++last;
        text += (text.empty() ? "" : ",") + std::to_string(first) + (last == first ? "" : "-" + std::to_string(last));
    }
    return text;
}

RunOptions options_of(const Args& a, std::uint64_t seed) {
    RunOptions o;
    o.seed = seed;
    o.hours = a.hours;
    o.nodes = a.nodes;
    o.mean_rest = static_cast<Micros>(a.rest * 1e6);
    o.without = numbers(a.without);
    o.last_act = a.last_act;
    o.only = harms(a.only);
    o.large = a.large;
    if (a.asynchronous) o.asynchronous = true;
    return o;
}

void tell(const RunOptions& options, std::size_t lines) {
    Trace trace(lines);
    RunOptions again = options;
    again.trace = &trace;
    (void)run(again);
    if (trace.left_out() > 0) std::cout << "  ... " << trace.left_out() << " lines before\n";
    for (const std::string& line : trace.lines()) std::cout << line << "\n";
    std::cout << "trace " << trace.hash_text() << "\n";
}

void report(const Args& a, const RunOptions& options, const RunResult& found) {
    std::cout << "\nseed " << options.seed << ": " << found.violation->what << "\n";
    const RunOptions small = a.no_shrink ? options : shrink(options, found);
    tell(small, a.lines);
    std::cout << "\nreplay: pgaf-sim --seed " << options.seed << " --hours " << a.hours;
    if (a.nodes != 0) std::cout << " --nodes " << a.nodes;
    if (!a.broken.empty()) std::cout << " --break " << a.broken;
    if (!a.only.empty()) std::cout << " --only " << a.only;
    if (a.large) std::cout << " --large";
    if (a.asynchronous) std::cout << " --asynchronous";
    if (a.rest != 600) std::cout << " --rest " << a.rest;
    if (small.last_act != 0) std::cout << " --last-act " << small.last_act;
    if (!small.without.empty()) std::cout << " --without " << numbers(small.without);
    std::cout << " --trace\n";
}

double seconds_since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

int search(const Args& a) {
    std::mutex lock;
    std::atomic<std::uint64_t> next{a.seed};
    std::atomic<bool> stop{false};
    RunResult total;
    std::optional<std::pair<std::uint64_t, RunResult>> found;
    const auto began = std::chrono::steady_clock::now();
    const auto work = [&] {
        while (!stop) {
            const std::uint64_t seed = next++;
            if (seed >= a.seed + a.seeds || (a.limit > 0 && seconds_since(began) > a.limit)) return;
            const RunResult r = run(options_of(a, seed));
            const std::lock_guard guard(lock);
            total.stepped += r.stepped;
            total.left_out += r.left_out;
            total.acts += r.acts;
            total.episodes += r.episodes;
            total.losses_accepted += r.losses_accepted;
            total.count.add(r.count);
            total.longest_without_primary = std::max(total.longest_without_primary, r.longest_without_primary);
            total.longest_unwell = std::max(total.longest_unwell, r.longest_unwell);
            if (r.violation && (!found || seed < found->first)) found = std::pair(seed, r);
            if (r.violation && a.keep_going) std::cout << "seed " << seed << ": " << r.violation->what << std::endl;
            if (r.violation && !a.keep_going) stop = true;
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(1U, a.threads); ++i) threads.emplace_back(work);
    for (std::thread& t : threads) t.join();
    const double seconds = seconds_since(began);
    const double hours = static_cast<double>(total.stepped + total.left_out) / 3.6e9;
    std::cout << hours << " cluster-hours in " << seconds << " s (" << hours / seconds * 60 << " an minute), "
              << static_cast<double>(total.stepped) / 3.6e9 << " of them stepped through: " << total.episodes
              << " episodes, " << total.acts << " acts of harm, " << total.count.events << " events, "
              << total.count.heart_steps << " heart steps, " << total.count.looks << " looks, " << total.count.commits
              << " commits, " << total.count.acknowledged << " acknowledged, " << total.count.elections
              << " elections, " << total.count.promotions << " promotions, " << total.count.rules << " rule changes, "
              << total.count.rewinds << " rewinds, " << total.count.clones
              << " clones; longest after repair without a primary "
              << static_cast<double>(total.longest_without_primary) / 1e6 << " s, unwell "
              << static_cast<double>(total.longest_unwell) / 1e6 << " s; losses accepted by the operator "
              << total.losses_accepted << "\n";
    if (!found) {
        std::cout << "0 violations\n";
        return 0;
    }
    if (!a.keep_going) report(a, options_of(a, found->first), found->second);
    return 1;
}

void add_options(CLI::App& app, Args& a) {
    app.add_option("--seed", a.seed, "the first seed");
    app.add_option("--seeds", a.seeds, "how many seeds");
    app.add_option("--hours", a.hours, "cluster-hours of each seed");
    app.add_option("--nodes", a.nodes, "nodes; 0: by the seed")->check(CLI::Range(0, 8));
    app.add_option("--rest", a.rest, "mean seconds between two episodes of harm");
    app.add_option("--threads", a.threads, "worlds at a time");
    app.add_option("--break", a.broken, "switches a rule of the protocol off");
    app.add_option("--without", a.without, "acts of harm that are left out: 1-17,20");
    app.add_option("--only", a.only, "what may be done to the cluster: power,freeze,switchover");
    app.add_option("--last-act", a.last_act, "ends with this act's episode");
    app.add_option("--lines", a.lines, "lines of the trace");
    app.add_flag("--trace", a.trace, "tells the first seed's story");
    app.add_flag("--no-shrink", a.no_shrink, "tells the whole run in which something was found");
    app.add_flag("--keep-going", a.keep_going, "goes on after a violation, and tells each in a line");
    app.add_option("--limit", a.limit, "begins no further seed after so many seconds; 0: no limit");
    app.add_flag("--find-breaks", a.breaks, "switches each rule off in turn, and looks for what that does");
    app.add_flag("--twice", a.twice, "runs each seed twice, and compares");
    app.add_flag("--list-rules", a.list_rules, "the rules that --break knows");
    app.add_flag("--list-breaks", a.list_breaks,
                 "how the absence of each rule is found; fails when that is not listed");
    app.add_flag("--large", a.large, "half of the commits are as large as a segment of WAL");
    app.add_flag("--asynchronous", a.asynchronous, "all clusters are declared asynchronous (R7)");
    app.add_flag("--list-harms", a.list_harms, "what --only knows");
    app.add_flag("--exhaustive", a.exhaustive, "walks every interleaving of small worlds instead");
    app.add_flag("--suite", a.small.suite, "with --exhaustive: small worlds to their end, and each broken rule found");
    app.add_option("--world", a.small.world, "with --exhaustive: only this world");
    app.add_option("--luck", a.small.luck,
                   "with --exhaustive: how often what may happen, crashes=1,cuts=2, instead of the world's own");
    app.add_option("--limit-seconds", a.small.limits.seconds, "with --exhaustive: at most so long for each world");
    app.add_option("--limit-megabytes", a.small.limits.megabytes, "with --exhaustive: at most so much memory");
    app.add_flag("--list-worlds", a.list_worlds, "the worlds that --exhaustive knows");
}

/// True: a list was asked for, and printed.
bool lists(const Args& a) {
    if (a.list_worlds) exhaustive::list_worlds();
    if (a.list_harms)
        boost::mp11::mp_for_each<boost::describe::describe_enumerators<Harm>>(
            [](auto d) { std::cout << d.name << "\n"; });
    if (a.list_rules)
        boost::mp11::mp_for_each<boost::describe::describe_enumerators<Mutation>>([](auto d) {
            if (d.value != Mutation::none) std::cout << d.name << "\n";
        });
    return a.list_worlds || a.list_harms || a.list_rules;
}

}  // namespace
}  // namespace pgaf::sim

int main(int argc, char** argv) {
    using namespace pgaf;
    sim::Args a;
    CLI::App app{"Simulates whole clusters: the production heart and reconciler, a model of everything else"};
    sim::add_options(app, a);
    CLI11_PARSE(app, argc, argv);
    if (sim::lists(a)) return 0;
    if (a.list_breaks) return sim::list_breaks() ? 0 : 1;
    const auto words = a.only.empty() ? 0 : 1 + std::count(a.only.begin(), a.only.end(), ',');
    if (sim::harms(a.only).size() != static_cast<std::size_t>(words)) {
        std::cerr << "pgaf-sim: --only names a harm that there is not; --list-harms names them\n";
        return 2;
    }
    if (!a.broken.empty()) {
        std::string name = a.broken;
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
        const auto rule = from_word<Mutation>(name);
        if (!rule) {
            std::cerr << "pgaf-sim: no rule is called '" << a.broken << "'; --list-rules names them\n";
            return 2;
        }
        active_mutation = *rule;
    }
    if (a.exhaustive) return exhaustive::run_exhaustive(a.small);
    if (a.breaks) return sim::find_breaks(a.broken) ? 0 : 1;
    if (a.twice) return sim::replays_alike(a.seed, a.seeds, a.hours) ? 0 : 1;
    if (a.trace) {
        sim::tell(sim::options_of(a, a.seed), a.lines);
        return 0;
    }
    return sim::search(a);
}
