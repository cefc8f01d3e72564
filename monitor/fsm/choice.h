// R5: who may be chosen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitor/fsm/quorum.h"
#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// How long a switchover's candidate may take to confirm the old primary's last WAL (protocol: "Switchover order").
constexpr std::int64_t confirm_limit_ms = 1000;

/// R5's order of nodes that have reported: latest epoch of its timeline, then priority, then most WAL, then least left
/// to replay, then name.
[[nodiscard]] bool better(const World& world, const NodeRecord& a, const NodeRecord& b);

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

/// Nodes in reach that may be promoted and are not fenced yet: an operator's word waits for them, but not for ever
/// (R12).
[[nodiscard]] std::vector<NodeName> awaited_by_word(const World& world);
[[nodiscard]] std::int64_t word_waits_ms(const World& world);

/// A node in reach that may be promoted is fenced, whatever it has.
[[nodiscard]] bool somebody_fenced(const World& world);

/// A standby runs that may be promoted, is in reach, and has nothing but what the cluster's history has.
[[nodiscard]] bool somebody_can_take_over(const World& world);

/// The same, and its disk takes writes, and the floor is in its WAL.
[[nodiscard]] bool somebody_with_a_disk_can_take_over(const World& world);

/// With no candidate on the history, the fenced nodes that are on it and may not be promoted: with them there, nobody
/// who has left the history is taken (R12).
[[nodiscard]] std::vector<NodeName> on_history_but_no_candidates(const World& world);

/// Fenced nodes that have all that is needed and are no candidates: what an operator may want to change.
[[nodiscard]] std::vector<NodeName> complete_but_no_candidates(const World& world);

/// A fenced candidate that lacks nothing but what no commit was acknowledged with (R5, R12); empty when there is none.
[[nodiscard]] NodeName lacks_only_unacknowledged(const World& world);

}  // namespace pgaf::fsm
