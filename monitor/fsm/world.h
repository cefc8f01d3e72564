// What a decision sees and may touch during one step: the record, the memory, the time, and the output being made.
// Questions about single nodes that every part asks are answered here.
#pragma once

#include <string>

#include "monitor/fsm/heart.h"

namespace pgaf::fsm {

struct World {
    ClusterRecord& record;
    Memory& memory;
    Millis now;
    Output& out;

    // ---- nodes ----
    [[nodiscard]] const NodeRecord* node(const NodeName& name) const;
    [[nodiscard]] const NodeView* view(const NodeName& name) const;
    /// The node's last report, when it is trusted and of the record's incarnation; null otherwise.
    [[nodiscard]] const Report* report(const NodeName& name) const;
    /// The report, when the session is open too: the node can act on a goal.
    [[nodiscard]] const Report* live(const NodeName& name) const;
    /// live, and heard within node_timeout.
    [[nodiscard]] bool in_reach(const NodeName& name) const;
    [[nodiscard]] Millis silence(const NodeName& name) const;

    // ---- the primary ----
    [[nodiscard]] const NodeRecord* primary() const { return node(record.primary); }
    /// It is the last node told to be primary, as the incarnation that was told.
    [[nodiscard]] bool told(const NodeRecord& n) const;
    /// The primary's live report, when it is of the incarnation that was told.
    [[nodiscard]] const Report* primary_live() const;
    [[nodiscard]] const NamedRule& newest_rule() const { return record.rules.back(); }
    /// The primary runs read-write under the newest epoch, on the timeline that it was told; perhaps not open yet (R9).
    [[nodiscard]] bool primary_runs() const;
    /// That, and it takes clients.
    [[nodiscard]] bool primary_serves() const;
    /// The last node told to be primary has itself promised the record's epoch (R4, second form).
    [[nodiscard]] bool primary_promised() const;
    /// That, and it has exited (R13).
    [[nodiscard]] bool primary_exited() const;

    /// As many automatic failovers as are allowed in ten minutes have been made (R15).
    [[nodiscard]] bool too_many_failovers() const;

    /// May be promoted as far as operators are concerned: priority, maintenance, drop, leaving.
    [[nodiscard]] bool may_be_candidate(const NodeRecord& n) const;
    /// The same when there is nobody else: one that still waits for maintenance or to be dropped goes on until it can.
    [[nodiscard]] bool can_be_candidate(const NodeRecord& n) const;
    /// Counts in sync rules as far as operators are concerned.
    [[nodiscard]] bool may_be_member(const NodeRecord& n) const;
    /// The node's incarnation is in a rule in force: it is not to be wiped, cloned or rewound (R3).
    [[nodiscard]] bool in_any_rule(const NodeRecord& n) const;
    [[nodiscard]] std::uint32_t number_sync_standbys() const;
    [[nodiscard]] NodeName name_of(const IncarnationId& incarnation) const;

    // ---- output ----
    void log(const std::string& kind, const NodeName& about, const std::string& message,
             const std::string& evidence = {}, const std::string& rule = {});
    void reply(std::uint64_t command, bool ok, const std::string& message, std::optional<Millis> write_pause = {});
    void enter(Phase phase);
    void wake_at(Millis when);
};

/// "node2, node3"
[[nodiscard]] std::string join(const std::vector<NodeName>& names);
/// "1.25 s"
[[nodiscard]] std::string seconds(Millis duration);
/// "timeline 3, 0/5001A28"
[[nodiscard]] std::string text(const WalPosition& position);

[[nodiscard]] inline Millis operator-(Millis a, Millis b) {
    return Millis{a.v - b.v};
}
[[nodiscard]] inline Millis operator+(Millis a, Millis b) {
    return Millis{a.v + b.v};
}

}  // namespace pgaf::fsm
