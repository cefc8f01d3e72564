#include "keeper/postgres/conf_text.h"

#include <algorithm>
#include <cctype>
#include <functional>

namespace pgaf::keeper {
namespace {

bool blank(char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

void for_each_line(std::string_view text, const std::function<void(std::string_view)>& f) {
    while (!text.empty()) {
        const auto newline = text.find('\n');
        f(text.substr(0, newline));
        text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    }
}

std::string unquoted(std::string_view text) {
    if (text.empty() || text.front() != '\'') return std::string(trimmed(text.substr(0, text.find('#'))));
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\'' || text[i] == '\\') {
            if (i + 1 >= text.size() || (text[i] == '\'' && text[i + 1] != '\'')) break;
            ++i;
        }
        value += text[i];
    }
    return value;
}

std::size_t name_length(std::string_view line) {
    return static_cast<std::size_t>(
        std::find_if(line.begin(), line.end(), [](char c) { return blank(c) || c == '='; }) - line.begin());
}

bool includes(std::string_view line, const std::string& file) {
    line = trimmed(line);
    for (const std::string_view word : {"include_if_exists", "include"}) {
        if (line.substr(0, word.size()) != word) continue;
        auto rest = trimmed(line.substr(word.size()));
        if (!rest.empty() && rest.front() == '=') rest = trimmed(rest.substr(1));
        return unquoted(rest) == file;
    }
    return false;
}

}  // namespace

std::string conf_quoted(std::string_view value) {
    std::string quoted = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') quoted += c;
        quoted += c;
    }
    return quoted + "'";
}

std::string conf_name(std::string_view line) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#') return {};
    std::string name(line.substr(0, name_length(line)));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (name == "include" || name == "include_if_exists" || name == "include_dir") return {};
    return name;
}

std::map<std::string, std::string> conf_values(std::string_view text) {
    std::map<std::string, std::string> values;
    for_each_line(text, [&](std::string_view line) {
        const std::string name = conf_name(line);
        if (name.empty()) return;
        line = trimmed(line);
        auto rest = trimmed(line.substr(name_length(line)));
        if (!rest.empty() && rest.front() == '=') rest = trimmed(rest.substr(1));
        values[name] = unquoted(rest);
    });
    return values;
}

std::string conf_without(std::string_view text, const std::set<std::string>& names, std::vector<std::string>& removed) {
    std::string kept;
    for_each_line(text, [&](std::string_view line) {
        const std::string name = conf_name(line);
        if (!name.empty() && names.contains(name)) {
            removed.push_back(name);
            return;
        }
        kept.append(line).append("\n");
    });
    return kept;
}

std::string conf_with_include_last(std::string_view text, const std::string& file) {
    std::string result;
    for_each_line(text, [&](std::string_view line) {
        if (!includes(line, file)) result.append(line).append("\n");
    });
    return result + "include '" + file + "'\n";
}

}  // namespace pgaf::keeper
