// Values and their checks: the part of the configuration that is the same for file, environment and flags.
#include "common/config.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "common/config_sources.h"
#include "common/ids.h"
#include "common/net.h"

namespace pgaf::config {
namespace {

template <class T>
const T& value_or_empty(const std::map<std::string, Value>& values, const std::string& name) {
    static const T empty{};
    const auto found = values.find(name);
    if (found == values.end()) return empty;
    const T* value = std::get_if<T>(&found->second.value);
    if (value == nullptr) throw std::logic_error("configuration option " + name + " asked for as another type");
    return *value;
}

std::string joined(const List& items) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "" : ", ") + item;
    return text;
}

std::string upper(std::string text) {
    for (char& c : text)
        c = c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Items between separators and line ends, without blanks around them; empty ones are left out.
List split(const std::string& text, char separator) {
    List items;
    std::string item;
    for (const char c : text + separator) {
        if (c != separator && c != '\n') {
            item += c;
            continue;
        }
        if (item = trimmed(item); !item.empty()) items.push_back(item);
        item.clear();
    }
    return items;
}

/// Levenshtein distance, for "did you mean".
std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

std::optional<bool> parse_boolean(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (text == "true" || text == "yes" || text == "on" || text == "1") return true;
    if (text == "false" || text == "no" || text == "off" || text == "0") return false;
    return std::nullopt;
}

std::string range_of(const Option& option) {
    if (option.min && option.max) return std::to_string(*option.min) + " to " + std::to_string(*option.max);
    if (option.min) return std::to_string(*option.min) + " or more";
    return std::to_string(*option.max) + " or less";
}

/// Secrets are never repeated, not even in an error.
std::string shown(const Option& option, const std::string& text) {
    return option.secret ? "value" : "'" + text + "'";
}

}  // namespace

const std::string& Config::text(const std::string& name) const {
    return value_or_empty<std::string>(values_, name);
}
std::int64_t Config::integer(const std::string& name) const {
    return value_or_empty<std::int64_t>(values_, name);
}
bool Config::boolean(const std::string& name) const {
    return value_or_empty<bool>(values_, name);
}
const List& Config::list(const std::string& name) const {
    return value_or_empty<List>(values_, name);
}
const Table& Config::table(const std::string& name) const {
    return value_or_empty<Table>(values_, name);
}

std::string Config::source(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "default" : found->second.source;
}

namespace detail {

const Option* find_option(const Program& program, const std::string& name) {
    const auto found = std::find_if(program.options.begin(), program.options.end(),
                                    [&](const Option& option) { return option.name == name; });
    return found == program.options.end() ? nullptr : &*found;
}

std::string env_name(const Program& program, const Option& option) {
    return program.env_prefix + upper(option.name);
}

std::string flag_name(const Option& option) {
    std::string flag = "--" + option.name;
    std::replace_if(
        flag.begin(), flag.end(), [](char c) { return c == '.' || c == '_'; }, '-');
    return flag;
}

std::string unknown(const std::string& name, const List& allowed) {
    const auto near = std::min_element(allowed.begin(), allowed.end(), [&](const auto& a, const auto& b) {
        return distance(name, a) < distance(name, b);
    });
    const bool hint = near != allowed.end() && distance(name, *near) <= 2;
    return "unknown key '" + name + "'" + (hint ? "; did you mean '" + *near + "'?" : ";") +
           " allowed: " + joined(allowed);
}

void take_texts(const Option& option, const List& texts, const std::string& source, Values& values,
                Problems& problems) {
    const auto put = [&](auto value) { values[option.name] = Value{std::move(value), source}; };
    const auto wrong = [&](const std::string& text, const std::string& wanted) {
        problems.push_back(source + ": " + option.name + ": " + shown(option, text) + " is not " + wanted);
    };
    List items;
    for (const auto& text : texts) {
        if (option.type != Type::list && option.type != Type::table) break;
        for (auto& item : split(text, option.separator)) items.push_back(std::move(item));
    }
    const std::string last = texts.empty() ? std::string{} : texts.back();
    switch (option.type) {
        case Type::text:
            return put(last);
        case Type::list:
            return put(std::move(items));
        case Type::integer: {
            std::int64_t number = 0;
            const auto* end = last.data() + last.size();
            const auto parsed = std::from_chars(last.data(), end, number);
            if (last.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return wrong(last, "a whole number");
            return put(number);
        }
        case Type::boolean: {
            const auto parsed = parse_boolean(last);
            if (!parsed) return wrong(last, "a yes or no; allowed: true, false, yes, no, on, off");
            return put(*parsed);
        }
        case Type::table: {
            Table table;
            for (const auto& item : items) {
                const auto at = item.find('=');
                if (at == std::string::npos || at == 0) return wrong(item, "of the form NAME=VALUE");
                table[trimmed(item.substr(0, at))] = trimmed(item.substr(at + 1));
            }
            return put(std::move(table));
        }
    }
}

void check_value(const Option& option, const Value& value, Problems& problems) {
    const std::string where = value.source + ": " + option.name + ": ";
    const auto check_text = [&](const std::string& text) {
        if (!option.words.empty() && std::find(option.words.begin(), option.words.end(), text) == option.words.end())
            problems.push_back(where + shown(option, text) + " is not allowed; allowed: " + joined(option.words));
        if (!option.check) return;
        if (const auto bad = option.check(text); !bad.empty())
            problems.push_back(where + shown(option, text) + " is " + bad);
    };
    if (const auto* text = std::get_if<std::string>(&value.value)) {
        if (option.required && text->empty()) problems.push_back(where + "must not be empty");
        if (!text->empty() || !option.words.empty()) check_text(*text);
    } else if (const auto* number = std::get_if<std::int64_t>(&value.value)) {
        if ((option.min && *number < *option.min) || (option.max && *number > *option.max))
            problems.push_back(where + std::to_string(*number) + " is out of range; allowed: " + range_of(option));
    } else if (const auto* list = std::get_if<List>(&value.value)) {
        if (option.required && list->empty()) problems.push_back(where + "must not be empty");
        for (const auto& item : *list) check_text(item);
    } else if (const auto* table = std::get_if<Table>(&value.value)) {
        for (const auto& [name, text] : *table) check_text(text);
    }
}

void merge(Values& into, Values stronger) {
    for (auto& [name, value] : stronger) {
        const auto weaker = into.find(name);
        auto* table = std::get_if<Table>(&value.value);
        if (table != nullptr && weaker != into.end()) table->merge(std::get<Table>(weaker->second.value));
        into[name] = std::move(value);
    }
}

void read_environment(const Program& program, const Environment& environment, Values& values, Problems& problems) {
    Environment left;
    List allowed{program.env_prefix + "CONFIG"};
    for (const auto& [name, text] : environment)
        if (!program.env_prefix.empty() && name.starts_with(program.env_prefix)) left[name] = text;
    left.erase(allowed.front());
    for (const auto& option : program.options) {
        const auto name = env_name(program, option);
        allowed.push_back(name);
        const auto found = left.find(name);
        if (found == left.end()) continue;
        take_texts(option, {found->second}, name, values, problems);
        left.erase(found);
    }
    for (const auto& [name, text] : left) {
        // Kubernetes tells each container of its services this way; a service may well be called "pgaf-monitor".
        const auto rest = name.substr(program.env_prefix.size());
        if (rest.starts_with("SERVICE_") || rest == "PORT" || rest.starts_with("PORT_")) continue;
        problems.push_back("environment: " + unknown(name, allowed));
    }
}

}  // namespace detail

std::string check_host_port(const std::string& text) {
    return parse_host_port(text) ? "" : "not HOST:PORT (port 0 to 65535; an IPv6 address in brackets)";
}
std::string check_listen_address(const std::string& text) {
    return text.starts_with("*:") ? "no address: for all of this machine's write 0.0.0.0:PORT, with IPv6 [::]:PORT"
                                  : check_host_port(text);
}
std::string check_cluster_name(const std::string& text) {
    return is_valid_cluster_name(text)
               ? ""
               : "not a cluster name: at most 16 characters, a-z first, then a-z, 0-9 and '-', no '-' "
                 "at the end";
}
std::string check_node_name(const std::string& text) {
    return is_valid_node_name(text)
               ? ""
               : "not a node name: at most 24 characters, a-z first, then a-z, 0-9 and '-', no '-' at "
                 "the end";
}
std::string check_absolute_path(const std::string& text) {
    return text.starts_with('/') ? "" : "not an absolute path: it must begin with '/'";
}

}  // namespace pgaf::config
