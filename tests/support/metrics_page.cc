#include "tests/support/metrics_page.h"

#include <fstream>
#include <regex>
#include <sstream>

namespace pgaf::test {
namespace {

/// A histogram's series have names of their own; its type stands under the name without them.
std::string family_of(const std::string& series, const MetricTable& types) {
    for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
        if (!series.ends_with(suffix)) continue;
        const std::string base = series.substr(0, series.size() - suffix.size());
        if (types.contains(base)) return base;
    }
    return series;
}

/// The first group of each match, with commas between them.
std::string joined(const std::string& text, const std::regex& expression) {
    std::string all;
    for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it)
        if ((*it)[1] != "le") all += (all.empty() ? "" : ",") + std::string((*it)[1]);
    return all;
}

}  // namespace

MetricTable exported_metrics(const std::string& text) {
    static const std::regex label(R"re(([a-z_]+)="(?:[^"\\]|\\.)*")re");
    MetricTable types;
    MetricTable found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string mark, what, name, type;
        if (line.starts_with("# TYPE ") && words >> mark >> what >> name >> type) types[name] = type;
        if (line.empty() || line.starts_with("#")) continue;
        const std::string family = family_of(line.substr(0, line.find_first_of("{ ")), types);
        found[family] = types[family] + " " + joined(line, label);
    }
    return found;
}

MetricTable documented_metrics(const std::string& page, const std::string& section, const std::string& implied) {
    static const std::regex row(R"(\| `([a-z0-9_]+)` \| (gauge|counter|histogram) \|([^|(]*)(\(no [^|]*)?\| .+ \|)");
    static const std::regex label("`([a-z_]+)`");
    MetricTable found;
    std::ifstream file(page);
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("## ")) inside = line == "## " + section;
        if (!inside || !line.starts_with("| `")) continue;
        std::smatch cells;
        if (!std::regex_match(line, cells, row)) {
            found[line] = "is no row of the table";
            continue;
        }
        const std::string own = joined(cells[3], label);
        const std::string first = cells[4].matched ? "" : implied;
        found[cells[1]] = std::string(cells[2]) + " " + first + (first.empty() || own.empty() ? "" : ",") + own;
    }
    return found;
}

std::string differences(const MetricTable& exported, const MetricTable& documented) {
    std::string lines;
    for (const auto& [name, how] : exported)
        if (const auto told = documented.find(name); told == documented.end())
            lines += name + " is exported (" + how + ") and not on the page\n";
        else if (told->second != how)
            lines += name + " is exported as " + how + ", on the page as " + told->second + "\n";
    for (const auto& [name, how] : documented)
        if (!exported.contains(name)) lines += name + " is on the page (" + how + ") and not exported\n";
    return lines;
}

}  // namespace pgaf::test
