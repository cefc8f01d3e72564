// A 128-bit fingerprint of any plain value. Two values with one fingerprint are taken for equal: with some 10^7 values
// the chance that two different ones meet is below 10^-24. Stable within one build.
#pragma once

#include <array>
#include <cstring>
#include <variant>

#include "common/reflect.h"

namespace pgaf::exhaustive {

struct Fingerprint {
    std::uint64_t a = 0x243f6a8885a308d3ULL;
    std::uint64_t b = 0x13198a2e03707344ULL;
    friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

struct FingerprintHash {
    using is_avalanching = void;
    std::size_t operator()(const Fingerprint& f) const { return f.a ^ (f.b >> 7U); }
};

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;

class Fingerprinter {
  public:
    void add(std::uint64_t x) {
        f_.a = (f_.a ^ x) * 0x9fb21c651e98df25ULL;
        f_.a ^= f_.a >> 32U;
        f_.b = (f_.b + x) * 0xd6e8feb86659fd93ULL;
        f_.b ^= f_.b >> 29U;
    }

    template <class T>
    void add_value(const T& value) {
        if constexpr (is_strong<T>)
            add_value(value.v);
        else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>)
            add(static_cast<std::uint64_t>(value));
        else if constexpr (std::same_as<T, std::string>)
            add_text(value);
        else if constexpr (std::same_as<T, Lsn>)
            add(value.v);
        else if constexpr (is_optional<T>) {
            add(value.has_value() ? 1 : 0);
            if (value) add_value(*value);
        } else if constexpr (is_variant<T>) {
            add(value.index());
            std::visit([this](const auto& v) { add_value(v); }, value);
        } else if constexpr (is_vector<T> || is_array<T>) {
            add(value.size());
            for (const auto& item : value) add_value(item);
        } else if constexpr (is_map<T>) {
            add(value.size());
            for (const auto& [key, item] : value) {
                add_value(key);
                add_value(item);
            }
        } else {
            static_assert(Described<T>);
            for_each_member(value, [this](std::string_view, const auto& member) { add_value(member); });
        }
    }

    [[nodiscard]] Fingerprint end() const { return f_; }

  private:
    void add_text(const std::string& text) {
        add(text.size());
        std::size_t at = 0;
        for (; at + 8 <= text.size(); at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, text.data() + at, 8);
            add(word);
        }
        std::uint64_t rest = 0;
        if (at < text.size()) {
            std::memcpy(&rest, text.data() + at, text.size() - at);
            add(rest);
        }
    }

    Fingerprint f_;
};

template <class T>
Fingerprint fingerprint(const T& value) {
    Fingerprinter f;
    f.add_value(value);
    return f.end();
}

}  // namespace pgaf::exhaustive
