#include "common/http/target.h"

#include <charconv>

namespace pgaf::http {
namespace {

/// `plus_is_space` holds in queries only.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            unsigned value = 0;
            if (i + 2 >= text.size()) return std::nullopt;
            const char* const end = text.data() + i + 3;
            const auto [stop, failure] = std::from_chars(text.data() + i + 1, end, value, 16);
            if (failure != std::errc{} || stop != end || value == 0) return std::nullopt;
            out.push_back(static_cast<char>(value));
            i += 2;
        } else {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return out;
}

}  // namespace

std::optional<Target> parse_target(std::string_view text) {
    if (text.empty() || text.front() != '/') return std::nullopt;
    const auto question = text.find('?');
    const auto path = decode(text.substr(0, question), false);
    if (!path) return std::nullopt;
    Target target{*path, {}};
    std::string_view rest = question == std::string_view::npos ? std::string_view{} : text.substr(question + 1);
    while (!rest.empty()) {
        const auto end = rest.find('&');
        const std::string_view pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        const auto key = decode(pair.substr(0, equals), true);
        const auto value =
            decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1), true);
        if (!key || !value) return std::nullopt;
        target.query.emplace(*key, *value);
    }
    return target;
}

}  // namespace pgaf::http
