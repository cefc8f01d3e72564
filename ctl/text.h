// How pgafctl writes things for people: columns, sizes, ages, colours. Knows nothing of clusters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgaf::ctl {

enum class Colour { none, bold, green, yellow, red };

/// The text in that colour; as it is when colours are off.
[[nodiscard]] std::string coloured(std::string_view text, Colour colour, bool on);

/// Without control characters: what others wrote must not drive the terminal.
[[nodiscard]] std::string printable(std::string_view text);

struct Cell {
    std::string text;
    Colour colour = Colour::none;
    Cell(std::string t) : text(std::move(t)) {}  // NOLINT(google-explicit-constructor): a cell is its text
    Cell(const char* t) : text(t) {}             // NOLINT(google-explicit-constructor)
    Cell(std::string t, Colour c) : text(std::move(t)), colour(c) {}
};
using Row = std::vector<Cell>;

/// Columns two blanks apart, as wide as their widest cell; no blanks at the ends of lines. `least[i]` is the least
/// width of column i, so that a table that is shown again and again does not jump about.
[[nodiscard]] std::string table(const std::vector<Row>& rows, bool colours, const std::vector<std::size_t>& least = {});

/// 0 B, 512 B, 1.5 kB, 12 MB: powers of 1024, as PostgreSQL's pg_size_pretty says them.
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);
/// 0.2s, 15s, 3m, 2h, 5d.
[[nodiscard]] std::string age_text(std::int64_t ms);
/// 0.13 s: what was measured.
[[nodiscard]] std::string measured_text(std::int64_t ms);
/// 2026-01-31 12:00:00.123 in local time.
[[nodiscard]] std::string local_time_text(std::int64_t unix_ms);
/// 2026-01-31T12:00:00.123Z
[[nodiscard]] std::string utc_time_text(std::int64_t unix_ms);

/// "30", "30s", "500ms", "10m", "2h", "1d" in milliseconds; -1 when it is none of these.
[[nodiscard]] std::int64_t parse_duration_ms(std::string_view text);

/// The moment that "10m" ago was, or that "2026-01-31T12:00:00" (local, with Z: UTC) is, in Unix milliseconds; -1 when
/// the text is neither.
[[nodiscard]] std::int64_t parse_since(const std::string& text, std::int64_t now_unix_ms);

}  // namespace pgaf::ctl
