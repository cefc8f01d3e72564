// Sync rules: under what condition a commit is acknowledged (protocol: "sync rule (k, S)").
#pragma once

#include <algorithm>
#include <vector>

#include "common/ids.h"
#include "common/reflect.h"

namespace pgaf {

/// "A commit is acknowledged only after k of the incarnations in S have flushed it." k = 0 is asynchronous.
struct SyncRule {
    std::uint32_t k = 0;
    /// Sorted, without duplicates.
    std::vector<IncarnationId> members;

    [[nodiscard]] bool asynchronous() const { return k == 0; }
    /// (0, {}): nobody may be promoted while it is in force. With members k = 0 is an asynchronous cluster's rule (R7).
    [[nodiscard]] bool nobody_may_follow() const { return k == 0 && members.empty(); }
    [[nodiscard]] bool contains(const IncarnationId& id) const {
        return std::binary_search(members.begin(), members.end(), id);
    }
    friend bool operator==(const SyncRule&, const SyncRule&) = default;
    friend auto operator<=>(const SyncRule&, const SyncRule&) = default;
};
BOOST_DESCRIBE_STRUCT(SyncRule, (), (k, members))

/// A rule under the id by which record, goals and reports speak of it.
struct NamedRule {
    RuleId id;
    SyncRule rule;
    friend bool operator==(const NamedRule&, const NamedRule&) = default;
};
BOOST_DESCRIBE_STRUCT(NamedRule, (), (id, rule))

}  // namespace pgaf
