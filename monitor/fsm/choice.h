// R5: who may be chosen, and R6: under which rule it opens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitor/fsm/quorum.h"
#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// How long a switchover's candidate may take to confirm the old primary's last WAL (protocol: "Switchover order").
constexpr std::int64_t confirm_limit_ms = 1000;

struct Choice {
    NodeName node;
    /// The old primary goes on: nothing is promoted, rules and floor stay (R4).
    bool goes_on = false;
    /// Highest end of the nodes that completed R4.
    WalPosition required;
    /// Why this node, for the event log.
    std::string evidence;
};

/// What an election comes to, as far as it has got: a choice, or WAL to be fetched before one is made, or nothing yet.
struct Outcome {
    std::optional<Choice> choice;
    std::optional<FastForward> forward;
};

/// Empty while R4 is not complete, or nobody suitable is fenced. `data_loss_allowed`: the operator accepts that R4
/// stays incomplete, or that the floor is missing (R12).
[[nodiscard]] Outcome choose(const World& world, bool data_loss_allowed);

/// The fast-forward of the record goes on, and has not taken too long.
[[nodiscard]] bool forward_under_way(const World& world);

/// A standby runs that may be promoted, is in reach, and has nothing but what the cluster's history has.
[[nodiscard]] bool somebody_can_take_over(const World& world);

/// Fenced nodes that have all that is needed and are no candidates: what an operator may want to change.
[[nodiscard]] std::vector<NodeName> complete_but_no_candidates(const World& world);

/// A fenced candidate that lacks nothing but what no commit was acknowledged with (R5, R12); empty when there is none.
[[nodiscard]] NodeName lacks_only_unacknowledged(const World& world);

/// The rule that `chosen` opens with: the survivors that can follow it without a hole (R6).
[[nodiscard]] SyncRule opening_rule(const World& world, const NodeName& chosen);

/// May this fenced survivor follow the chosen node before its fork is known? Not when it has complete records that the
/// chosen node lacks, nor with a torn tail in a later segment.
[[nodiscard]] bool follows_without_hole(const World& world, const Report& survivor, const Report& chosen);

/// The best candidate for a planned switchover, or why there is none.
struct SwitchoverTarget {
    NodeName node;
    std::string why_not;
};
[[nodiscard]] SwitchoverTarget switchover_target(const World& world, const NodeName& wanted);

}  // namespace pgaf::fsm
