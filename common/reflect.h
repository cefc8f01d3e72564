// Lets plain structs be walked member by member, so that hashing, printing, JSON and the wire format are each
// written once. Uses Boost.Describe; a struct lists its members with BOOST_DESCRIBE_STRUCT, an enum with
// BOOST_DEFINE_ENUM_CLASS.
#pragma once

#include <boost/describe.hpp>
#include <boost/mp11.hpp>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"

namespace pgaf {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value && !std::is_union_v<T>;
template <class T>
concept DescribedEnum = boost::describe::has_describe_enumerators<T>::value;

template <class T>
inline constexpr bool is_strong = false;
template <class Tag, class Rep>
inline constexpr bool is_strong<Strong<Tag, Rep>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_map = false;
template <class K, class V>
inline constexpr bool is_map<std::map<K, V>> = true;

/// Calls f(name, member reference) for every member of a described struct, in declaration order.
template <class T, class F>
requires Described<std::remove_const_t<T>>
void for_each_member(T& object, F&& f) {
    using Plain = std::remove_const_t<T>;
    boost::mp11::mp_for_each<boost::describe::describe_members<Plain, boost::describe::mod_any_access>>(
        [&](auto d) { f(std::string_view(d.name), object.*d.pointer); });
}

/// The word of an enumerator, as every output of pgaf spells it.
template <DescribedEnum E>
std::string_view word(E value) {
    return boost::describe::enum_to_string(value, "unknown");
}
/// The enumerator of a word; nothing when it is not one.
template <DescribedEnum E>
std::optional<E> from_word(std::string_view text) {
    E value{};
    if (boost::describe::enum_from_string(std::string(text).c_str(), value)) return value;
    return std::nullopt;
}

/// A hash of everything in a plain value. Stable within one process run.
template <class T>
std::size_t hash_value_of(const T& value);

namespace detail {
inline void mix(std::size_t& seed, std::size_t h) {
    seed ^= h + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2);
}
}  // namespace detail

template <class T>
std::size_t hash_value_of(const T& value) {
    if constexpr (is_strong<T>) {
        return std::hash<T>{}(value);
    } else if constexpr (std::same_as<T, Lsn>) {
        return std::hash<std::uint64_t>{}(value.v);
    } else if constexpr (is_optional<T>) {
        return value ? hash_value_of(*value) * 31 + 1 : 0;
    } else if constexpr (is_vector<T>) {
        std::size_t seed = value.size();
        for (const auto& item : value) detail::mix(seed, hash_value_of(item));
        return seed;
    } else if constexpr (is_map<T>) {
        std::size_t seed = value.size();
        for (const auto& [key, item] : value) {
            detail::mix(seed, hash_value_of(key));
            detail::mix(seed, hash_value_of(item));
        }
        return seed;
    } else if constexpr (Described<T>) {
        std::size_t seed = 0;
        for_each_member(value, [&](std::string_view, const auto& member) { detail::mix(seed, hash_value_of(member)); });
        return seed;
    } else if constexpr (std::is_enum_v<T>) {
        return static_cast<std::size_t>(value);
    } else {
        return std::hash<T>{}(value);
    }
}

}  // namespace pgaf
