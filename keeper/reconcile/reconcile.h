// The reconciler: goal and observed facts in, the next step out. Pure: no I/O, no clock, no thread, no log.
//
// Level-triggered: it is asked again whenever anything has changed, and the same question has the same answer. The loop
// carries out one step at a time, and asks `obsolete` while it runs whether the goal still wants it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/model/report.h"
#include "keeper/reconcile/facts.h"
#include "keeper/reconcile/promise.h"
#include "keeper/reconcile/run.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

struct Decision {
    /// The row of the table that matched.
    std::string_view rule;
    std::optional<Step> step;
    /// What is waited for, for people; with a step its text is shown instead. Empty when the goal is reached.
    std::string waiting;
    /// Why the goal can't be reached, with the remedy; empty when nothing is wrong.
    std::string problem;
    /// The goal is reached as far as this node is concerned.
    bool settled = false;
};

[[nodiscard]] Decision reconcile(const Promise& promise, const Run& run, const Facts& facts);

/// Why the step under way is wanted no longer and should be cancelled; empty: let it go on.
[[nodiscard]] std::string obsolete(const Step& under_way, const Promise& promise, const Run& run, const Facts& facts);

/// Whether the launcher, which has been asked to end, may do so now. `acknowledged`: the newest report that the monitor
/// has acknowledged; null when there is none.
[[nodiscard]] bool may_let_go(const Promise& promise, const Run& run, const Facts& facts, const Report* acknowledged);

/// The rows of the table in their order: name, condition, result and reason, for `pgaf-keeper rules` and the
/// documentation.
[[nodiscard]] std::string rules_text();

}  // namespace pgaf::keeper
