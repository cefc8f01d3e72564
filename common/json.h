// JSON for any described struct: the state file, the store, HTTP answers. Member names are the keys.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/reflect.h"
#include "common/result.h"

namespace pgaf {

template <class T>
nlohmann::json to_json(const T& value) {
    if constexpr (is_strong<T>) {
        return nlohmann::json(value.v);
    } else if constexpr (std::same_as<T, Lsn>) {
        return nlohmann::json(value.text());
    } else if constexpr (is_optional<T>) {
        return value ? to_json(*value) : nlohmann::json(nullptr);
    } else if constexpr (is_vector<T>) {
        auto array = nlohmann::json::array();
        for (const auto& item : value) array.push_back(to_json(item));
        return array;
    } else if constexpr (is_map<T>) {
        // Keys are strong strings: names.
        auto object = nlohmann::json::object();
        for (const auto& [key, item] : value) object[key.v] = to_json(item);
        return object;
    } else if constexpr (Described<T>) {
        auto object = nlohmann::json::object();
        for_each_member(
            value, [&](std::string_view name, const auto& member) { object[std::string(name)] = to_json(member); });
        return object;
    } else if constexpr (DescribedEnum<T>) {
        return nlohmann::json(std::string(word(value)));
    } else {
        return nlohmann::json(value);
    }
}

namespace detail {

/// Reads `json` into `value`; a text that says what is wrong and where, empty when all is well. A missing key keeps
/// the member's default, so that a record written by an older version can be read; an unknown one is ignored.
template <class T>
std::string read_json(const nlohmann::json& json, T& value, const std::string& where) {
    const auto wrong = [&](const char* wanted) {
        return where + ": expected " + wanted + ", found " + json.type_name();
    };
    if constexpr (is_strong<T>) {
        return read_json(json, value.v, where);
    } else if constexpr (std::same_as<T, Lsn>) {
        if (!json.is_string()) return wrong("an LSN");
        const auto lsn = Lsn::parse(json.get<std::string>());
        if (!lsn) return where + ": not an LSN: " + json.get<std::string>();
        value = *lsn;
        return {};
    } else if constexpr (is_optional<T>) {
        if (json.is_null()) return value.reset(), std::string{};
        return read_json(json, value.emplace(), where);
    } else if constexpr (is_vector<T>) {
        if (!json.is_array()) return wrong("a list");
        value.clear();
        for (const auto& item : json) {
            if (auto bad = read_json(item, value.emplace_back(), where + "[]"); !bad.empty()) return bad;
        }
        return {};
    } else if constexpr (is_map<T>) {
        if (!json.is_object()) return wrong("an object");
        value.clear();
        for (const auto& [key, item] : json.items()) {
            if (auto bad = read_json(item, value[typename T::key_type{key}], where + "." + key); !bad.empty())
                return bad;
        }
        return {};
    } else if constexpr (Described<T>) {
        if (!json.is_object()) return wrong("an object");
        std::string bad;
        for_each_member(value, [&](std::string_view name, auto& member) {
            const auto found = json.find(std::string(name));
            if (bad.empty() && found != json.end()) bad = read_json(*found, member, where + "." + std::string(name));
        });
        return bad;
    } else if constexpr (DescribedEnum<T>) {
        if (!json.is_string()) return wrong("a word");
        const auto found = from_word<T>(json.get<std::string>());
        if (!found) return where + ": unknown word: " + json.get<std::string>();
        value = *found;
        return {};
    } else if constexpr (std::same_as<T, bool>) {
        if (!json.is_boolean()) return wrong("true or false");
        value = json.get<bool>();
        return {};
    } else if constexpr (std::is_unsigned_v<T>) {
        if (!json.is_number_unsigned()) return wrong("a whole number, not negative");
        const auto number = json.get<std::uint64_t>();
        if (number > std::numeric_limits<T>::max()) return where + ": number too large";
        value = static_cast<T>(number);
        return {};
    } else if constexpr (std::is_integral_v<T>) {
        if (!json.is_number_integer()) return wrong("a whole number");
        value = json.get<T>();
        return {};
    } else {
        static_assert(std::same_as<T, std::string>);
        if (!json.is_string()) return wrong("a text");
        value = json.get<std::string>();
        return {};
    }
}

}  // namespace detail

template <class T>
Result<T> from_json(const nlohmann::json& json) {
    T value{};
    if (auto bad = detail::read_json(json, value, "value"); !bad.empty()) return error(std::move(bad));
    return value;
}

}  // namespace pgaf
