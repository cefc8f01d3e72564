// How it is noticed that a rule is missing: by seeds (suite.cc), and by walking a small world (exhaustive/worlds.cc). A
// rule that one of the two does not find stands in that one's list of exceptions, with the reason.
#pragma once

#include "common/mutation.h"

namespace pgaf::sim {

struct NotFound {
    Mutation rule;
    const char* reason;
};

/// Tells each rule in a line. False when one is in neither list of a way to find it, or in both, or when no way is
/// left.
bool list_breaks();

}  // namespace pgaf::sim
