// How a client of the load finds its server: by libpq's target_session_attrs on the hosts of the URI, by asking the
// keepers' HTTP ports who is the primary, or any server. Knows nothing of what is done there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "tests/load/hosts.h"
#include "tests/load/session.h"

namespace pgaf::load {

struct Targets {
    /// The URI's hosts: as read-write servers, and as any.
    std::vector<Host> primaries;
    std::vector<Host> any;
    /// The keepers' HTTP addresses (host:port) in the same order; may be empty.
    std::vector<std::string> http;
};

/// `http`: addresses separated by commas, as many as the URI has hosts; or empty.
[[nodiscard]] Result<Targets> targets_of(const std::string& uri, const std::string& http);

/// Whether GET /primary is answered with 200.
[[nodiscard]] Result<bool> says_primary(const std::string& address, milliseconds limit, const StopSwitch& stop);

/// How long the answer of a host is waited for after so many rounds without success: short at first, so that a host
/// that gives none adds little to the outage that is measured; after 16 rounds longer and longer, since the machine may
/// be so busy that nobody can answer in time. At most 5 s.
[[nodiscard]] milliseconds patience(milliseconds at_first, std::size_t rounds);

class Finder {
  public:
    enum class By { role, http, any };
    /// `first`: which host is tried first. `limit`: for an answer in the first round (patience). `cut` ends what is
    /// under way, `stop` the pauses. Without HTTP addresses, `By::http` is `By::role`.
    Finder(const Targets& targets, By by, std::size_t first, milliseconds limit, const StopSwitch& stop,
           const StopSwitch& cut);
    /// Tries one host; a pause after each full round.
    std::optional<Session> find();
    /// The server that was lost is the last that the next round asks.
    void lost() { ++next_; }

  private:
    Result<Session> connect(std::size_t index, milliseconds limit);

    const Targets* targets_;
    By by_;
    std::size_t next_;
    milliseconds limit_;
    const StopSwitch* stop_;
    const StopSwitch* cut_;
    std::size_t tries_ = 0;
};

/// Waits until some primary has run these statements.
Result<> prepare(const Targets& targets, const std::string& sql, milliseconds connect_limit, std::int64_t limit_s,
                 const StopSwitch& stop);

}  // namespace pgaf::load
