// SIGHUP: what of a configuration that was read anew a running program takes.
#include <algorithm>

#include "common/config_sources.h"

namespace pgaf::config {

Reload reload(const Config& running, const Config& read, const List& can_change) {
    std::map<std::string, Value> values = running.values();
    Reload result;
    List names;
    for (const auto* all : {&running.values(), &read.values()})
        for (const auto& [name, value] : *all) names.push_back(name);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) {
        const auto before = running.values().find(name);
        const auto now = read.values().find(name);
        const bool both = before != running.values().end() && now != read.values().end();
        if (both && before->second.value == now->second.value) continue;
        if (std::find(can_change.begin(), can_change.end(), name) == can_change.end()) {
            result.left.push_back(name);
            continue;
        }
        result.taken.push_back(name);
        values.erase(name);
        if (now != read.values().end()) values.emplace(name, now->second);
    }
    result.running = Config(std::move(values));
    return result;
}

std::string Reload::text() const {
    const auto listed = [](const List& names) {
        std::string all;
        for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
        return all;
    };
    std::string said = taken.empty() ? "nothing that can change while the program runs has changed"
                                     : "what the configuration says now holds for " + listed(taken);
    if (!left.empty()) said += "; for " + listed(left) + " it holds after a restart of the program";
    return said;
}

}  // namespace pgaf::config
