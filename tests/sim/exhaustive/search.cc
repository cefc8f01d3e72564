#include "tests/sim/exhaustive/search.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <chrono>
#include <ctime>
#include <stdexcept>

#include "tests/sim/exhaustive/heart_memo.h"
#include "tests/sim/exhaustive/node_memo.h"

namespace pgaf::exhaustive {
namespace {

/// A world, and how it was reached first.
struct Reached {
    World world;
    std::uint32_t from = 0;
    Action by;
};

struct WorldHash {
    using is_avalanching = void;
    std::size_t operator()(const World& w) const {
        std::array<std::uint32_t, sizeof(World) / 4> words{};
        std::memcpy(words.data(), static_cast<const void*>(&w), sizeof w);
        std::uint64_t h = 0x9fb21c651e98df25ULL;
        for (const std::uint32_t word : words) {
            h = (h ^ word) * 0xd6e8feb86659fd93ULL;
            h ^= h >> 32U;
        }
        return h;
    }
};

/// The set holds places in the list of all worlds, not the worlds.
struct ByPlace {
    using is_transparent = void;
    using is_avalanching = void;
    const std::deque<Reached>* all;
    std::size_t operator()(std::uint32_t place) const { return WorldHash{}((*all)[place].world); }
    std::size_t operator()(const World& world) const { return WorldHash{}(world); }
    bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
    bool operator()(const World& a, std::uint32_t b) const { return a == (*all)[b].world; }
    bool operator()(std::uint32_t a, const World& b) const { return (*all)[a].world == b; }
};

std::size_t megabytes_in_use() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::size_t>(usage.ru_maxrss) / 1024;
}

class Explorer {
  public:
    explicit Explorer(const Spec& spec)
        : search_{spec, {}, hearts_, {}},
          actions_(all_actions(spec.nodes)),
          places_(0, ByPlace{&all_}, ByPlace{&all_}) {}

    Result run(const Limits& limits);

  private:
    World before_anything();
    void form(World& world, std::size_t nodes);
    void play(World& world);
    void step(World& world, const Action& action, std::vector<std::string>& told);
    void expand(std::uint32_t place);
    void reach(const World& world, std::uint32_t from, const Action& by);
    void found(std::uint32_t place, const Action* by, const std::string& what);
    void tell(std::uint32_t place, const Action* by);

    HeartMemo hearts_;
    NodeMemo by_themselves_;
    Search search_;
    std::vector<Action> actions_;
    std::deque<Reached> all_;
    boost::unordered_flat_set<std::uint32_t, ByPlace, ByPlace> places_;
    Result result_;
    /// What had happened when the search began.
    std::vector<std::string> before_;
    std::vector<std::string> formed_;
};

World Explorer::before_anything() {
    World world;
    world.monitor = search_.pools.monitors.put(new_cluster(search_.spec));
    world.ghost = search_.pools.ghosts.put({});
    Node off;
    off.power = false;
    for (NodeIx n = 0; n < search_.spec.nodes; ++n) world.node[n] = search_.pools.nodes.put(off);
    return world;
}

/// The cluster comes up by itself: always the first thing that changes anything.
void Explorer::form(World& world, std::size_t nodes) {
    for (int rounds = 0; rounds < 10'000; ++rounds) {
        bool changed = false;
        for (const Action& action : actions_) {
            if (action.kind > Kind::power_on || (action.kind == Kind::power_on && action.a >= nodes)) continue;
            Scene scene(search_, world);
            if (!apply(scene, action)) continue;
            if (scene.seal() == world) continue;
            step(world, action, formed_);
            changed = true;
            break;
        }
        if (!changed) return;
    }
    throw std::logic_error("the cluster does not come to rest while it forms");
}

void Explorer::step(World& world, const Action& action, std::vector<std::string>& told) {
    Scene scene(search_, world);
    std::vector<std::string> lines;
    scene.told = &lines;
    if (!apply(scene, action)) throw std::logic_error("this can't happen here: " + text_of(action));
    world = scene.seal();
    told.push_back(text_of(action));
    for (const std::string& line : lines) told.push_back("       " + line);
    if (!scene.violation.empty()) throw std::logic_error("before the search begins: " + scene.violation);
}

/// What the world's script says has happened already.
void Explorer::play(World& world) {
    for (const std::string& text : search_.spec.script) {
        const auto action =
            std::find_if(actions_.begin(), actions_.end(), [&](const Action& a) { return text_of(a) == text; });
        if (action == actions_.end()) throw std::logic_error("no action is called '" + text + "'");
        world.budget.fill(100);
        step(world, *action, before_);
    }
}

void Explorer::reach(const World& world, std::uint32_t from, const Action& by) {
    ++result_.transitions;
    if (places_.contains(world)) return;
    all_.push_back({world, from, by});
    places_.insert(static_cast<std::uint32_t>(all_.size() - 1));
}

void Explorer::expand(std::uint32_t place) {
    const World world = all_[place].world;
    const NodeMoves& known = by_themselves_.of(search_, world);
    bool rests = true;
    bool due = false;
    const auto reached = [&](const World& next, const Action& action) {
        if (next == world) return;
        if (next.budget == world.budget) rests = false;
        due = due || is_quick(action.kind);
        reach(next, place, action);
    };
    if (!known.violates)
        for (const auto& [action, move] : known.moves) reached(after(world, move), action);
    for (const Action& action : actions_) {
        if (!known.violates && is_of_nodes(action.kind)) continue;
        Scene scene(search_, world);
        scene.due = due;
        scene.known = &known;
        if (!apply(scene, action)) continue;
        const World next = scene.seal();
        if (!scene.violation.empty()) return found(place, &action, scene.violation);
        reached(next, action);
    }
    if (!rests) return;
    Scene scene(search_, world);
    check_rest(scene);
    if (!scene.violation.empty()) found(place, nullptr, scene.violation);
}

void Explorer::found(std::uint32_t place, const Action* by, const std::string& what) {
    result_.violation = what;
    tell(place, by);
}

void Explorer::tell(std::uint32_t place, const Action* by) {
    std::vector<Action> way;
    if (by) way.push_back(*by);
    for (; place != 0; place = all_[place].from) way.push_back(all_[place].by);
    result_.trace_length = way.size();
    World world = all_[0].world;
    result_.trace = way.empty() ? formed_ : std::vector<std::string>{};
    for (const std::string& line : before_) result_.trace.push_back("0. " + line);
    std::size_t number = 0;
    for (auto action = way.rbegin(); action != way.rend(); ++action) {
        Scene scene(search_, world);
        std::vector<std::string> told;
        scene.told = &told;
        (void)apply(scene, *action);
        world = scene.seal();
        result_.trace.push_back(std::to_string(++number) + ". " + text_of(*action));
        for (const std::string& line : told) result_.trace.push_back("       " + line);
    }
}

Result Explorer::run(const Limits& limits) {
    const auto began = std::chrono::steady_clock::now();
    const std::clock_t cpu_began = std::clock();
    const auto seconds = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    World first = before_anything();
    form(first, search_.spec.formed);
    search_.first = first;
    play(first);
    first.budget = search_.spec.budget;
    all_.push_back({first, 0, {}});
    places_.insert(0);
    std::size_t level_ends = 1;
    std::size_t place = 0;
    bool in_time = true;
    for (; place < all_.size() && result_.violation.empty() && in_time; ++place) {
        if (place == level_ends) {
            if (result_.depth + 1 == limits.actions) break;
            ++result_.depth;
            level_ends = all_.size();
        }
        expand(static_cast<std::uint32_t>(place));
        if (place % 1024 == 0) in_time = seconds() < limits.seconds && megabytes_in_use() < limits.megabytes;
    }
    result_.completed = result_.violation.empty() && place == all_.size();
    result_.worlds = all_.size();
    result_.seconds = seconds();
    result_.cpu_seconds = static_cast<double>(std::clock() - cpu_began) / CLOCKS_PER_SEC;
    result_.monitors = search_.pools.monitors.size();
    result_.nodes = search_.pools.nodes.size();
    result_.megabytes = megabytes_in_use();
    return result_;
}

}  // namespace

Result explore(const Spec& spec, const Limits& limits) {
    const auto may_happen = [&](Luck luck) { return spec.budget[static_cast<std::size_t>(luck)] > 0; };
    stores_change = may_happen(Luck::store_restores) || may_happen(Luck::store_losses);
    return Explorer(spec).run(limits);
}

}  // namespace pgaf::exhaustive
