// The order of promises (R2).
#pragma once

#include "common/ids.h"
#include "common/mutation.h"
#include "common/reflect.h"

namespace pgaf {

/// What a goal is ordered by: epoch first, then term, then version. The id tells apart two monitors of one term.
struct Stamp {
    Epoch epoch;
    Term term;
    Version version;
    MonitorId monitor;
    friend bool operator==(const Stamp&, const Stamp&) = default;
};
BOOST_DESCRIBE_STRUCT(Stamp, (), (epoch, term, version, monitor))

/// Whether a keeper that has promised `promised` may act on `offered` (R2). The same stamp again is allowed: goals
/// are level-triggered, so acting on it twice does nothing new.
[[nodiscard]] inline bool may_follow(const Stamp& promised, const Stamp& offered) {
    if (broken(Mutation::r2_epoch)) return true;
    if (offered.epoch != promised.epoch) return offered.epoch > promised.epoch;
    if (broken(Mutation::r10)) return offered.version >= promised.version;
    if (offered.term != promised.term) return offered.term > promised.term;
    if (offered.monitor != promised.monitor) return false;
    return offered.version >= promised.version || broken(Mutation::r2);
}

}  // namespace pgaf
