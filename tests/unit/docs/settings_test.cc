// docs/settings.md is held to the code: to the settings that operators change (monitor/fsm/settings.h), and to the
// options of the monitor that say what a new cluster begins with. Names, defaults, units and bounds; what is said about
// them is for readers.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "monitor/fsm/settings.h"
#include "monitor/options.h"

namespace pgaf {
namespace {

using Names = std::set<std::string>;

std::vector<std::string> lines_of_page() {
    std::ifstream file(PGAF_SETTINGS_PAGE);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

std::string in_backticks(const std::string& text) {
    std::smatch found;
    return std::regex_search(text, found, std::regex("`([^`]*)`")) ? found[1].str() : text;
}

struct Row {
    std::string value;
    std::string unit;
    std::string allowed;
};

/// The page's first table; further ones are about other things than a cluster's settings.
std::map<std::string, Row> rows() {
    std::map<std::string, Row> all;
    bool inside = false;
    for (const std::string& line : lines_of_page()) {
        if (!inside && line.starts_with("| setting |")) inside = true;
        if (inside && !line.starts_with("|")) break;
        std::smatch cells;
        if (inside && std::regex_match(line, cells, std::regex(R"(\| `([^`]+)` \| (.*?) \| (.*?) ?\| (.*?) \| .+ \|)")))
            all[cells[1]] = {in_backticks(cells[2]), cells[3], cells[4]};
    }
    return all;
}

/// "2^40" is a number too.
std::string plain(const std::string& number) {
    const auto power = number.find("2^");
    return power == 0 ? std::to_string(1ULL << std::stoul(number.substr(2))) : number;
}

/// "50 to 10000, and so on"; empty: no bounds are said.
std::pair<std::string, std::string> bounds_of(const std::string& allowed) {
    std::smatch found;
    if (!std::regex_search(allowed, found, std::regex(R"(^([0-9^]+) to ([0-9^]+)\b)"))) return {};
    return {plain(found[1]), plain(found[2])};
}

/// As the heart says them when it refuses what lies beyond.
std::pair<std::string, std::string> bounds_of_heart(const std::string& name) {
    fsm::Settings settings;
    const std::string why = fsm::change_setting(settings, name, std::to_string(UINT64_MAX));
    std::smatch found;
    INFO(why);
    REQUIRE(std::regex_search(why, found, std::regex("must be between ([0-9]+) and ([0-9]+)$")));
    return {found[1], found[2]};
}

std::string unit_of(const std::string& name) {
    if (name.ends_with("-ms")) return "ms";
    return name.find("lag") != std::string::npos ? "bytes" : "";
}

/// Neither has bounds of its own: the one depends on the nodes, the other is no number.
bool is_number(const std::string& name) {
    return name != "number-sync-standbys" && name != "asynchronous";
}

const config::Option* option_of(const config::Program& program, std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    const auto found = std::find_if(program.options.begin(), program.options.end(),
                                    [&](const config::Option& o) { return o.name == name; });
    return found == program.options.end() ? nullptr : &*found;
}

Names names_of_heart() {
    Names names;
    for (const auto& setting : fsm::list_settings({})) names.insert(setting.name);
    return names;
}

TEST_CASE("settings.md has every setting of a cluster, and no other") {
    Names on_page;
    for (const auto& [name, row] : rows()) on_page.insert(name);
    CHECK(on_page == names_of_heart());
}

TEST_CASE("settings.md says the default, the unit and the bounds that each setting has") {
    const auto page = rows();
    for (const auto& setting : fsm::list_settings({})) {
        const auto row = page.find(setting.name);
        if (row == page.end()) continue;
        INFO(setting.name);
        CHECK(row->second.value == setting.value);
        if (!is_number(setting.name)) continue;
        if (const std::string unit = unit_of(setting.name); !unit.empty()) CHECK(row->second.unit == unit);
        CHECK(bounds_of(row->second.allowed) == bounds_of_heart(setting.name));
    }
}

TEST_CASE("a new cluster's settings in monitor.toml are those of the page") {
    const config::Program program = monitor::program();
    for (const auto& [name, row] : rows()) {
        INFO(name);
        const config::Option* option = option_of(program, name);
        REQUIRE(option);
        CHECK(option->fallback.value_or("auto") == row.value);
        if (!is_number(name)) continue;
        const auto bounds = std::pair{std::to_string(option->min.value()), std::to_string(option->max.value())};
        CHECK(bounds_of(row.allowed) == bounds);
    }
}

/// Settings are the only words with '-' within that the page puts between backticks, but for those of nodes, and for
/// what a section on keepers says.
TEST_CASE("settings.md speaks of no setting that there is not") {
    Names known = names_of_heart();
    known.insert({"candidate-priority", "replication-quorum"});
    const std::regex word("`([a-z]+(?:-[a-z]+)+)`");
    bool of_keepers = false;
    for (const std::string& line : lines_of_page()) {
        if (line.starts_with("#")) of_keepers = line.find("eeper") != std::string::npos;
        if (of_keepers) continue;
        for (std::sregex_iterator found(line.begin(), line.end(), word), end; found != end; ++found) {
            INFO(line);
            CHECK(known.contains((*found)[1]));
        }
    }
}

/// What the page says below "Timing, all together", one step beyond each.
TEST_CASE("times that the page forbids together are refused") {
    const auto refused = [](const std::string& name, std::uint64_t value, std::uint64_t allowed) {
        fsm::Settings settings;
        INFO(name << " = " << value);
        CHECK(!fsm::change_setting(settings, name, std::to_string(value)).empty());
        CHECK(fsm::change_setting(settings, name, std::to_string(allowed)).empty());
    };
    const fsm::Settings usual;
    refused("node-timeout-ms", 4 * usual.heartbeat_ms - 1, 4 * usual.heartbeat_ms);
    const std::uint64_t least_lease = usual.node_timeout_ms + 2 * usual.heartbeat_ms;
    refused("lease-ms", least_lease - 1, least_lease);
    refused("keeper-timeout-ms", usual.lease_ms - 1, usual.lease_ms);
}

}  // namespace
}  // namespace pgaf
