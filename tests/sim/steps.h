// The steps of the reconciler on the model of PostgreSQL: keeper/postgres, phase by phase. Between two phases anything
// may happen.
#pragma once

#include <string>

#include "tests/sim/world.h"

namespace pgaf::sim {

void on_step(World& w, NodeIx node, std::uint32_t boot);

/// What a phase has come to.
struct Next {
    enum class Kind { again, done, failed };
    Kind kind = Kind::again;
    Micros low = 0;
    Micros high = 0;
    std::string why;
};
inline Next again(Micros low, Micros high) {
    return {Next::Kind::again, low, high, {}};
}
inline Next done() {
    return {Next::Kind::done, 0, 0, {}};
}
inline Next failed(std::string why) {
    return {Next::Kind::failed, 0, 0, std::move(why)};
}

/// One phase of one step: the world, whose keeper, and how far the step is.
struct Phase {
    World& w;
    NodeIx node;

    [[nodiscard]] StepRun& run() const { return *w.keepers[node].edit().under_way; }
    [[nodiscard]] RunMemory& memory() const;
    [[nodiscard]] const Machine& machine() const { return *w.machines[node]; }
    [[nodiscard]] Disk& disk() const { return w.machines[node].edit().disk; }
    [[nodiscard]] const Server& server() const { return *w.machines[node]->server; }
    Next enter(int phase, Micros low, Micros high) const;
    [[nodiscard]] bool longer_than(Micros limit) const { return w.now - run().phase_since >= limit; }

    [[nodiscard]] bool running() const;
    [[nodiscard]] bool stopped() const;
    /// A new connection shows what pgaf.conf says.
    [[nodiscard]] bool in_force() const;
    void put(const Names& names, const Conn& conn) const;
    void give_access(const keeper::Layout& layout) const;
    void align_slots(const keeper::Layout& layout) const;
    /// How many of the rule's members have flushed up to there, as the primary's walsenders say.
    [[nodiscard]] bool flushed_by_rule(const SyncRule& rule, std::uint64_t target) const;
};

// lifecycle: steps.cc; rules: steps_rule.cc; folders: steps_rebuild.cc
Next advance(const Phase& p, const keeper::Initialise& step);
Next advance(const Phase& p, const keeper::Adopt& step);
Next advance(const Phase& p, const keeper::StartPrimary& step);
Next advance(const Phase& p, const keeper::StartStandby& step);
Next advance(const Phase& p, const keeper::Follow& step);
Next advance(const Phase& p, const keeper::Fence& step);
Next advance(const Phase& p, const keeper::Promote& step);
Next advance(const Phase& p, const keeper::ApplyRule& step);
Next advance(const Phase& p, const keeper::OpenToClients& step);
Next advance(const Phase& p, const keeper::CloseToClients& step);
Next advance(const Phase& p, const keeper::Checkpoint& step);
Next advance(const Phase& p, const keeper::Stop& step);
Next advance(const Phase& p, const keeper::Rewind& step);
Next advance(const Phase& p, const keeper::Clone& step);
Next advance(const Phase& p, const keeper::DropTornTail& step);
Next advance(const Phase& p, const keeper::UpdatePeers& step);
Next advance(const Phase& p, const keeper::ResumeReplay& step);

}  // namespace pgaf::sim
