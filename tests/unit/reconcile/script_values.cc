// Reading and writing the values in scripts, by the members' names.
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "script.h"

namespace pgaf::keeper::test {
namespace {

std::vector<std::string> items(const std::string& text, char separator = ',') {
    std::vector<std::string> all;
    std::istringstream in(text);
    for (std::string item; std::getline(in, item, separator);) all.push_back(item);
    return all;
}

std::uint64_t number(const std::string& text) {
    return std::strtoull(text.c_str(), nullptr, 10);
}
Lsn lsn(const std::string& text) {
    return Lsn::parse(text).value_or(Lsn{~std::uint64_t{0}});
}

template <class T>
bool read(const std::string& text, T& value) {
    if constexpr (is_strong<T>) {
        return read(text, value.v);
    } else if constexpr (std::same_as<T, Lsn>) {
        const auto parsed = Lsn::parse(text);
        if (parsed) value = *parsed;
        return parsed.has_value();
    } else if constexpr (DescribedEnum<T>) {
        const auto parsed = from_word<T>(text);
        if (parsed) value = *parsed;
        return parsed.has_value();
    } else if constexpr (std::same_as<T, bool>) {
        value = text == "yes";
        return text == "yes" || text == "no";
    } else if constexpr (std::integral<T>) {
        return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
    } else if constexpr (std::same_as<T, std::string>) {
        value = text;
        return true;
    } else {
        return false;
    }
}

template <class T>
std::string set_member(T& object, const std::string& key, const std::string& value) {
    std::string wrong = "no such key: " + key;
    for_each_member(object, [&](std::string_view name, auto& member) {
        if (name == key) wrong = read(value, member) ? "" : "not a value of " + key + ": " + value;
    });
    return wrong;
}

std::pair<std::string, std::string> cut(const std::string& text, char at) {
    const auto found = text.find(at);
    if (found == std::string::npos) return {text, {}};
    return {text.substr(0, found), text.substr(found + 1)};
}

Stamp read_stamp(const std::string& text) {
    const auto [numbers, monitor] = cut(text, '@');
    const auto parts = items(numbers, '/');
    Stamp stamp;
    stamp.epoch = Epoch{number(parts.at(0))};
    stamp.term = Term{number(parts.at(1))};
    stamp.version = Version{number(parts.at(2))};
    stamp.monitor = MonitorId{monitor.empty() ? "m1" : monitor};
    return stamp;
}

HistoryEntry read_entry(const std::string& text) {
    HistoryEntry entry;
    entry.timeline = Timeline{static_cast<std::uint32_t>(number(text))};
    entry.epoch = Epoch{entry.timeline.v};
    if (text.find('@') != std::string::npos) entry.fork = entry.floor = lsn(cut(text, '@').second);
    if (text.find('>') != std::string::npos) entry.floor = lsn(cut(text, '>').second);
    return entry;
}

NamedRule read_rule(const std::string& text) {
    NamedRule rule;
    const auto [id, rest] = cut(text, ':');
    const auto [k, members] = cut(rest, '(');
    rule.id = RuleId{number(id)};
    rule.rule.k = static_cast<std::uint32_t>(number(k));
    for (const std::string& member : items(cut(members, ')').first)) rule.rule.members.push_back(IncarnationId{member});
    return rule;
}

std::string show_rule(const NamedRule& rule) {
    std::string text = std::to_string(rule.id.v) + ":" + std::to_string(rule.rule.k) + "(";
    for (const IncarnationId& member : rule.rule.members) text += (text.back() == '(' ? "" : ",") + member.v;
    return text + ")";
}

}  // namespace

Words split(const std::string& line) {
    Words words;
    std::string word;
    bool quoted = false;
    for (const char c : line + " ") {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ' ' && !quoted) {
            if (!word.empty()) words.push_back(word);
            word.clear();
        } else {
            word += c;
        }
    }
    return words;
}

std::string set_goal(Goal& goal, const std::string& word) {
    const auto [key, value] = cut(word, '=');
    if (key == "at") {
        goal.stamp = read_stamp(value);
    } else if (key == "peers") {
        goal.peers.clear();
        for (const std::string& item : items(value)) {
            const auto [node, incarnation] = cut(item, ':');
            goal.peers.push_back({NodeName{node}, IncarnationId{incarnation}, node + ".example", 5432});
        }
    } else if (key == "history") {
        goal.history.clear();
        for (const std::string& item : items(value)) goal.history.push_back(read_entry(item));
    } else if (key == "rule") {
        goal.rule = read_rule(value);
    } else if (key == "permit") {
        const auto [boot, exits] = cut(value, '/');
        goal.permit = StartPermit{BootId{boot}, number(exits)};
        if (value == "none") goal.permit.reset();
    } else {
        return set_member(goal, key, value);
    }
    return {};
}

std::string set_facts(Facts& facts, const std::string& word) {
    const auto [key, value] = cut(word, '=');
    if (key == "forks") {
        facts.forks.clear();
        for (const std::string& item : items(value)) {
            const auto [timeline, end] = cut(item, '@');
            facts.forks.push_back({Timeline{static_cast<std::uint32_t>(number(timeline))}, lsn(end)});
        }
    } else if (key == "histories") {
        facts.histories.clear();
        for (const std::string& item : items(value))
            facts.histories.push_back(Timeline{static_cast<std::uint32_t>(number(item))});
    } else if (key == "receiver") {
        facts.receiver = {};
        if (value != "none") facts.receiver = {true, NodeName{value}, Millis{10}};
    } else if (key == "standbys") {
        facts.standbys.clear();
        for (const std::string& item : items(value)) {
            const auto [id, flushed] = cut(item, '@');
            facts.standbys.push_back({IncarnationId{id}, true, lsn(flushed), lsn(flushed), {}});
        }
    } else if (key == "slots") {
        facts.slots.clear();
        for (const std::string& item : items(value)) facts.slots.push_back(slot_name(NodeName{item}));
    } else {
        return set_member(facts, key, value);
    }
    return {};
}

std::string set_promise(Promise& promise, const std::string& word) {
    const auto [key, value] = cut(word, '=');
    return set_member(promise, key, value);
}

std::string show_step(const Step& step) {
    std::string text = step_name(step);
    const auto add = [&text](std::string_view name, const auto& value) {
        using T = std::decay_t<decltype(value)>;
        std::ostringstream out;
        if constexpr (std::same_as<T, Layout>) {
            return;
        } else if constexpr (std::same_as<T, std::vector<Timeline>>) {
            if (value.empty()) return;
            for (const Timeline t : value) out << (out.str().empty() ? "" : ",") << t.v;
        } else if constexpr (std::same_as<T, NamedRule>) {
            out << show_rule(value);
        } else if constexpr (std::same_as<T, Lsn>) {
            out << value.text();
        } else if constexpr (is_strong<T>) {
            out << value.v;
        } else if constexpr (DescribedEnum<T>) {
            out << word(value);
        } else {
            out << value;
        }
        const std::string shown = out.str();
        const bool quote = shown.empty() || shown.find(' ') != std::string::npos;
        text += " " + std::string(name) + "=" + (quote ? "\"" + shown + "\"" : shown);
    };
    std::visit([&](const auto& s) { for_each_member(s, add); }, step);
    return text;
}

}  // namespace pgaf::keeper::test
