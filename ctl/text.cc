#include "ctl/text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace pgaf::ctl {
namespace {

/// Columns that a text takes: bytes that continue a UTF-8 character take none.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
    char buffer[64];
    const int length = std::snprintf(buffer, sizeof buffer, format, values...);
    return {buffer, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof buffer) - 1))};
}

std::string time_text(std::int64_t unix_ms, bool utc) {
    const std::time_t seconds = unix_ms / 1000;
    std::tm parts{};
    if (utc)
        ::gmtime_r(&seconds, &parts);
    else
        ::localtime_r(&seconds, &parts);
    char buffer[32];
    std::strftime(buffer, sizeof buffer, utc ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &parts);
    return std::string(buffer) + formatted(".%03d", static_cast<int>(unix_ms % 1000)) + (utc ? "Z" : "");
}

}  // namespace

std::string coloured(std::string_view text, Colour colour, bool on) {
    const char* code = nullptr;
    switch (colour) {
        case Colour::none:
            break;
        case Colour::bold:
            code = "1";
            break;
        case Colour::green:
            code = "32";
            break;
        case Colour::yellow:
            code = "33";
            break;
        case Colour::red:
            code = "31";
            break;
    }
    if (!on || code == nullptr) return std::string(text);
    return std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m";
}

std::string printable(std::string_view text) {
    std::string clean;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        clean += byte < ' ' || byte == 0x7f ? ' ' : c;
    }
    return clean;
}

std::string table(const std::vector<Row>& rows, bool colours, const std::vector<std::size_t>& least) {
    std::vector<std::size_t> widths = least;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i].text));
    }
    std::string out;
    for (const Row& row : rows) {
        std::size_t blanks = 0;  // owed before the next cell that shows something
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string text = printable(row[i].text);
            if (!text.empty()) {
                out.append(blanks, ' ');
                blanks = 0;
                out += coloured(text, row[i].colour, colours);
            }
            blanks += widths[i] - width(text) + 2;
        }
        out += '\n';
    }
    return out;
}

std::string bytes_text(std::uint64_t bytes) {
    static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return formatted(unit == 0 || value >= 9.95 ? "%.0f " : "%.1f ", value) + units[unit];
}

std::string age_text(std::int64_t ms) {
    if (ms < 9950) return formatted("%.1fs", static_cast<double>(ms) / 1000);
    const auto seconds = ms / 1000;
    if (seconds < 120) return std::to_string(seconds) + "s";
    if (seconds < 7200) return std::to_string(seconds / 60) + "m";
    if (seconds < 172800) return std::to_string(seconds / 3600) + "h";
    return std::to_string(seconds / 86400) + "d";
}

std::string measured_text(std::int64_t ms) {
    return formatted("%.2f s", static_cast<double>(ms) / 1000);
}
std::string local_time_text(std::int64_t unix_ms) {
    return time_text(unix_ms, false);
}
std::string utc_time_text(std::int64_t unix_ms) {
    return time_text(unix_ms, true);
}

std::int64_t parse_duration_ms(std::string_view text) {
    double number = 0;
    const auto* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || !(number >= 0) || number > 1e9) return -1;
    const std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
    double factor = -1;
    if (unit.empty() || unit == "s") factor = 1000;
    if (unit == "ms") factor = 1;
    if (unit == "m" || unit == "min") factor = 60'000;
    if (unit == "h") factor = 3'600'000;
    if (unit == "d") factor = 86'400'000;
    return factor < 0 ? -1 : static_cast<std::int64_t>(number * factor);
}

std::int64_t parse_since(const std::string& text, std::int64_t now_unix_ms) {
    if (const auto ago = parse_duration_ms(text); ago >= 0) return std::max<std::int64_t>(0, now_unix_ms - ago);
    std::tm parts{};
    parts.tm_isdst = -1;
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%d", &parts);
    if (rest == nullptr) return -1;
    if (*rest == 'T' || *rest == ' ') rest = ::strptime(rest + 1, "%H:%M:%S", &parts);
    if (rest == nullptr) return -1;
    const bool utc = std::string_view(rest) == "Z";
    if (!utc && *rest != '\0') return -1;
    const std::time_t seconds = utc ? ::timegm(&parts) : std::mktime(&parts);
    return seconds < 0 ? -1 : static_cast<std::int64_t>(seconds) * 1000;
}

}  // namespace pgaf::ctl
