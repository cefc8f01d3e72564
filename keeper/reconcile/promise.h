// What a node has promised, and which goals it may follow (R2). Pure: no file, no clock; keeper/service/state_file
// makes a Promise durable before anything is done on it.
#pragma once

#include <optional>
#include <string>

#include "common/ids.h"
#include "common/model/goal.h"
#include "common/model/stamp.h"
#include "common/reflect.h"
#include "keeper/reconcile/facts.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

/// The content of the state file.
struct Promise {
    ClusterName cluster;
    NodeName node;
    /// PostgreSQL's system identifier of the cluster; empty as long as it is not known.
    SystemId system_id;
    IncarnationId incarnation;
    /// This incarnation has had a data folder; when that is gone, so is the incarnation.
    bool has_folder = false;
    /// The epoch in it never goes down, over incarnations too.
    Stamp promised;
    /// The newest goal accepted, under `promised`.
    std::optional<Goal> goal;
    /// The last goal of the incarnation before, as long as this one has none: for a monitor that has lost its store
    /// (R11). Nothing is done on it.
    std::optional<Goal> before;
    /// The newest sync rule that this incarnation has promised to apply (R3).
    RuleId rule_promised;
    friend bool operator==(const Promise&, const Promise&) = default;
};
BOOST_DESCRIBE_STRUCT(Promise, (),
                      (cluster, node, system_id, incarnation, has_folder, promised, goal, before, rule_promised))

/// Whether a goal may be acted on.
struct Verdict {
    bool accepted = false;
    /// It differs from what is promised, so it has to be made durable first.
    bool news = false;
    /// Why it is refused, for people; empty when it is accepted.
    std::string why;
};
[[nodiscard]] Verdict judge(const Promise& promise, const Goal& goal);

/// The promise with an accepted goal in it.
[[nodiscard]] Promise accept(Promise promise, const Goal& goal);

/// The promise of another data folder of this node: the goal, the rule and the order within the epoch are gone, the
/// epoch stays (R2). It acts on nothing until a goal names it, which the monitor sends after registering it.
[[nodiscard]] Promise new_incarnation(Promise promise, IncarnationId incarnation);

/// What a look at the data folder means for the promise.
///   same      nothing
///   made      this incarnation has its data folder now
///   replaced  the folder was emptied, replaced or half replaced: another incarnation
struct FolderNews {
    enum class Kind { same, made, replaced };
    Kind kind = Kind::same;
    std::string why;
};
/// Never asked while a step runs: steps change the folder.
[[nodiscard]] FolderNews look_at_folder(const Promise& promise, const Facts& facts);

/// The promise after a step that made a data folder (Rewind, Clone): of the id that was written into it.
[[nodiscard]] Promise after_step(Promise promise, const Step& step);

/// Why this data folder can't be this cluster's; empty when it can. It must not be touched then.
[[nodiscard]] std::string foreign_folder(const Promise& promise, const Facts& facts);

}  // namespace pgaf::keeper
