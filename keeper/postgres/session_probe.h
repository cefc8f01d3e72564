// Does the server still give new sessions? The keeper's looks use one that it has, and so do clients with a pool: a
// postmaster that stands still, or can't fork, hurts neither. A session is opened and closed again every few seconds.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "common/ids.h"

namespace pgaf::keeper {

class SessionProbe {
  public:
    /// Everything happens on the strand.
    SessionProbe(boost::asio::any_io_executor strand, std::string conninfo);
    /// Ends the attempt under way.
    ~SessionProbe();
    SessionProbe(const SessionProbe&) = delete;
    SessionProbe& operator=(const SessionProbe&) = delete;

    /// Which postmaster to ask from now on, one that has taken a session before; 0: none, and nothing is wrong. Another
    /// one than before starts afresh.
    void watch(pid_t postmaster);
    /// Since when nobody gets in, when that is longer than `limit`; else empty. Whoever answers lets in: a refusal with
    /// an SQLSTATE (no slot left, say) is no trouble of this kind, and an attempt that fails at once says nothing. To
    /// be asked regularly: of the time between two questions no more than 2 s count, since the process may have stood
    /// still.
    [[nodiscard]] std::string trouble(Millis limit);

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace pgaf::keeper
