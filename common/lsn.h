// Positions in PostgreSQL's write-ahead log.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace pgaf {

/// A byte position in the WAL. 0 is PostgreSQL's InvalidXLogRecPtr: "not known".
struct Lsn {
    std::uint64_t v = 0;
    friend auto operator<=>(const Lsn&, const Lsn&) = default;
    [[nodiscard]] bool empty() const { return v == 0; }
    /// As PostgreSQL prints it, for example 0/5001A28.
    [[nodiscard]] std::string text() const;
    /// Reads PostgreSQL's form; nothing when the text is not one.
    static std::optional<Lsn> parse(std::string_view text);
};

/// A position that says on which timeline it lies. LSNs of different timelines are never compared (R5).
struct WalPosition {
    Timeline timeline;
    Lsn lsn;
    friend auto operator<=>(const WalPosition&, const WalPosition&) = default;
};

}  // namespace pgaf
