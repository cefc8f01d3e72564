// One step of the production heart on a numbered monitor. The same monitor gets the same input along many ways, and the
// heart is a pure function: it is asked once.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/sim/exhaustive/world.h"

namespace pgaf::exhaustive {

/// A store may be lost or put back in the world that is walked, so it matters what goals carry of the record (R11). Set
/// before a search.
inline bool stores_change = false;

struct HeartMove {
    std::uint32_t after = 0;
    /// Who is primary, in which epoch or phase has changed.
    bool decides = false;
    std::vector<std::pair<NodeIx, std::uint32_t>> goals;
    std::vector<fsm::ProbeRequest> probes;
    std::vector<NodeIx> turned_away;
    /// An assertion of the heart has failed.
    std::string broken;
};

class HeartMemo {
  public:
    /// `told`: gets the heart's log, for the trace; then it is asked again.
    const HeartMove& step(Pools& pools, std::uint32_t monitor, const fsm::Input& input, std::vector<std::string>* told);
    /// The same for a numbered report.
    const HeartMove& hears(Pools& pools, std::uint32_t monitor, std::uint32_t report, std::vector<std::string>* told);
    [[nodiscard]] std::size_t size() const { return moves_.size(); }

  private:
    const HeartMove& know(Pools& pools, const Fingerprint& question, std::uint32_t monitor, const fsm::Input& input,
                          std::vector<std::string>* told);
    /// Null: it was never asked.
    const HeartMove* known(const Fingerprint& question) const;

    std::deque<HeartMove> moves_;
    boost::unordered_flat_map<Fingerprint, std::uint32_t, FingerprintHash> known_;
};

/// The heart's memory when so much time has passed.
void grow_older(fsm::Memory& memory, Millis by);

/// Takes out what no decision depends on (texts, counters, times that have passed every limit), so that monitors that
/// will behave alike are equal.
void calm(Monitor& monitor);

}  // namespace pgaf::exhaustive
