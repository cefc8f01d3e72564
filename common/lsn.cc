#include "common/lsn.h"

#include <charconv>
#include <cstdio>

namespace pgaf {

std::string Lsn::text() const {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%X/%X", static_cast<unsigned>(v >> 32), static_cast<unsigned>(v));
    return buffer;
}

std::optional<Lsn> Lsn::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::uint32_t high = 0;
    std::uint32_t low = 0;
    const char* const end = text.data() + text.size();
    const char* const middle = text.data() + slash;
    if (const auto r = std::from_chars(text.data(), middle, high, 16); r.ec != std::errc{} || r.ptr != middle)
        return std::nullopt;
    if (const auto r = std::from_chars(middle + 1, end, low, 16); r.ec != std::errc{} || r.ptr != end)
        return std::nullopt;
    return Lsn{(static_cast<std::uint64_t>(high) << 32) | low};
}

}  // namespace pgaf
