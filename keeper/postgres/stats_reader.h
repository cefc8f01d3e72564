// PostgreSQL's figures for metrics: asked for on a schedule of its own, over a connection of its own, as the superuser
// (so a slot is kept free for it). Nothing that fails or hangs here is anybody else's business: it runs beside the
// looks and the steps, has limits of its own on each query, and keeps away from a server that is not at rest.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "keeper/postgres/make.h"

namespace pgaf::keeper {

struct Sample {
    /// Of stat_families().
    std::string family;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
};

/// What was found when. Complete as far as the server has the figures: a round that gets no connection leaves the one
/// before, for six rounds.
struct PostgresStats {
    std::vector<Sample> samples;
    std::chrono::steady_clock::time_point taken;
};

class StatsReader {
  public:
    /// Everything happens on the strand. Begins with the first at_rest(true).
    StatsReader(boost::asio::any_io_executor strand, const PostgresConfig& config, Millis interval);
    /// Ends the query under way.
    ~StatsReader();
    StatsReader(const StatsReader&) = delete;
    StatsReader& operator=(const StatsReader&) = delete;

    /// Whether the server may be asked. False ends the connection and forgets the figures at once.
    void at_rest(bool yes);
    /// From now on; the round that is next in turn comes at once.
    void every(Millis interval);
    /// Null: there is nothing that could be said of the server that runs now, or of long ago only. Ask anew each time:
    /// the next round replaces what it points to.
    [[nodiscard]] const PostgresStats* stats() const;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace pgaf::keeper
