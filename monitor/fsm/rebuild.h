// R11: the record as the keepers' promises show it, for a monitor whose store is lost or behind. Pure: promises in,
// record out. When it may be done is doubt.h's.
#pragma once

#include <optional>
#include <vector>

#include "monitor/fsm/record.h"

namespace pgaf::fsm {

/// As far as this life of the record is known to have come; 0: it is not known at all.
[[nodiscard]] std::uint64_t commits_known(const ClusterRecord& record, const MonitorId& life);
[[nodiscard]] bool knows(const ClusterRecord& record, const StoreMark& mark);
/// From now on the record knows this mark.
void take_in(ClusterRecord& record, const StoreMark& mark);
/// This process has made goals of its term already.
[[nodiscard]] bool has_given_goals(const ClusterRecord& record);
/// Each process counts its commits as a life of its own: what one before it has stored and its store has lost is not
/// taken for what this one has stored since. Earlier lives are forgotten when all nodes have promised something newer.
void begin_life(ClusterRecord& record);

/// What one node says of the cluster.
struct Testimony {
    NodeName node;
    IncarnationId incarnation;
    Stamp promised;
    RuleId rule_promised;
    StoreMark heard;
    /// What it promised last. The incarnation in it may be the one before.
    std::optional<Goal> goal;
    Timeline timeline;
    /// On the timeline and in the role of a primary that takes, or took, writes.
    bool read_write = false;
};

/// The newest goal that anybody has promised; null when nobody has.
[[nodiscard]] const Goal* newest_of(const std::vector<Testimony>& said);

/// Nothing that this node has promised is of a later record.
[[nodiscard]] bool covers(const ClusterRecord& record, const Testimony& t);

/// The newest rule that the last primary has promised is in the record, or older than its newest: ids are given
/// upwards.
[[nodiscard]] bool knows_rule(const ClusterRecord& record, RuleId promised);

/// Where the last primary has not been heard nobody knows what it was told since, nor where it has promised a rule that
/// nobody tells of: it may have gone to asynchronous replication. That counts as a rule in force until it has proved a
/// newer one, or an operator accepts loss (R12).
void admit_unknown_rule(ClusterRecord& record, const std::vector<Testimony>& said);

/// No id of a rule that anybody has heard of is given to another one.
void raise_rule_ids(ClusterRecord& record, const std::vector<Testimony>& said);

/// The record that these promises were made under, as far as they show it: the newest of them says what the cluster is,
/// each of them what its node is. `old` gives what only a record knows (its name, ends of WAL, who was put back).
/// The term is above all that was heard. An election under way, or a choice that its node has not heard of, is begun
/// anew in a new epoch.
[[nodiscard]] ClusterRecord rebuild(const ClusterRecord& old, const std::vector<Testimony>& said);

}  // namespace pgaf::fsm
