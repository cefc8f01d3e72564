// synchronous_standby_names as one process of a server has loaded it.
#pragma once

#include <algorithm>
#include <array>

#include "common/model/sync_rule.h"
#include "tests/sim/ids.h"

namespace pgaf::sim {

struct Names {
    ///   none    '': nobody waits
    ///   closed  ANY 1 ("pgaf closed")
    ///   any     ANY k (members)
    ///   padded  FIRST k ("pgaf pad", members)
    enum class Kind : std::uint8_t { none, closed, any, padded };
    Kind kind = Kind::none;
    std::uint8_t k = 0;
    std::uint8_t count = 0;
    std::array<Inc, most_nodes> members{};

    /// As a walsender of that name works it out for itself; 0: not listed.
    [[nodiscard]] int priority(Inc inc) const {
        if (kind != Kind::any && kind != Kind::padded) return 0;
        for (std::uint8_t i = 0; i < count; ++i)
            if (members[i] == inc) return kind == Kind::any ? 1 : 2 + i;
        return 0;
    }
    [[nodiscard]] bool lists(Inc inc) const { return priority(inc) > 0; }
    friend bool operator==(const Names&, const Names&) = default;
};

inline Names closed_names() {
    return {Names::Kind::closed, 1, 0, {}};
}

/// As keeper/postgres renders a rule: without members it is the closed one.
inline Names names_of(const SyncRule& rule, bool padded) {
    if (rule.asynchronous()) return {};
    if (rule.members.empty()) return closed_names();
    Names names{padded ? Names::Kind::padded : Names::Kind::any, static_cast<std::uint8_t>(rule.k), 0, {}};
    for (const IncarnationId& member : rule.members)
        if (names.count < most_nodes) names.members[names.count++] = inc_of(member);
    return names;
}

}  // namespace pgaf::sim
