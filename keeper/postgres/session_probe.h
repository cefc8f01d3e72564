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
    /// Everything happens on the strand. `limit`: no session for this long is told (detection, evidence 4).
    SessionProbe(boost::asio::any_io_executor strand, std::string conninfo, Millis limit);
    /// Ends the attempt under way.
    ~SessionProbe();
    SessionProbe(const SessionProbe&) = delete;
    SessionProbe& operator=(const SessionProbe&) = delete;

    /// Which postmaster to ask from now on; 0: none, and nothing is wrong. Another one than before starts afresh.
    void watch(pid_t postmaster);
    /// Since when nobody gets in, and why; empty when the last attempt was answered (a refusal with an SQLSTATE is an
    /// answer: no slot left, say), or the limit has not passed. Of a freeze of this process no more counts than the
    /// limit of one attempt.
    [[nodiscard]] std::string trouble() const;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
    Millis limit_;
};

}  // namespace pgaf::keeper
