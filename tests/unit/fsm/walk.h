// A random walk over the laboratory: faults, messages and commands in any order, with the invariants watched at each
// step.
#pragma once

#include <deque>
#include <random>
#include <string>

#include "tests/unit/fsm/lab.h"

namespace pgaf::lab {

class Walk {
  public:
    /// `asynchronous`: of a cluster that was declared so (R7).
    Walk(std::uint64_t seed, std::size_t size, bool asynchronous = false);

    /// One random event. False: an invariant is broken.
    bool step();
    /// Everything is repaired, then time passes: the cluster has to become healthy by itself, or say why it waits.
    bool heal();
    /// The last events, for a failure's message.
    [[nodiscard]] std::string trace() const;
    [[nodiscard]] const Lab& lab() const { return lab_; }
    /// How often healing needed the operator's word.
    std::uint64_t stuck_with_reason = 0;
    /// Takeovers after the end of an old primary's lease (R7).
    std::uint64_t leases_ended = 0;
    /// How often each row of the decision table was applied.
    std::map<std::string, std::uint64_t> rows;

  private:
    std::uint64_t below(std::uint64_t n) { return rng_() % n; }
    bool chance(std::uint64_t percent) { return below(100) < percent; }
    Node& any_node();
    void note(const std::string& what);
    void message_event();
    void fault_event();
    void repair_event();
    void operator_event();
    void tear(Node& primary);
    void wipe_one();
    void fault_of_server(Node& n);
    bool add_dropped_again();
    bool run_until_healthy(std::int64_t limit_ms);

    std::mt19937_64 rng_;
    Lab lab_;
    std::deque<std::string> trace_;
    /// Disks lost since the cluster was healthy last: one at most, or waiting for ever may be right.
    int lost_disks_ = 0;
    std::string failure_;
};

}  // namespace pgaf::lab
