// A second monitor process beside the first (R10): on the same store, after the first one was stopped and taken for
// dead, or on a store of its own. Whatever concerns the second is carried out with it in the first one's place.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

/// While it lives the other process is the world's monitor.
class AsRival {
  public:
    explicit AsRival(World& w);
    ~AsRival();
    AsRival(const AsRival&) = delete;
    AsRival& operator=(const AsRival&) = delete;

  private:
    World& w_;
};

[[nodiscard]] bool concerns_rival(const World& w, const Event& event);

/// Another process begins on the same store. The first one stands still, or does not.
void start_second(World& w, bool first_stands_still);
/// Another process begins on a store of its own, which is empty, or what the first one's was at some time. Keepers that
/// connect find either.
void start_stranger(World& w, const MonitorStore& store);
/// The one that stood still goes on.
void thaw_rival(World& w);
/// An operator sees two, and ends one of them. Of two on one store the older one ends by itself.
void end_rival(World& w, bool keep_first);
/// Whom a keeper finds that connects.
[[nodiscard]] std::uint32_t monitor_to_find(World& w);

}  // namespace pgaf::sim
