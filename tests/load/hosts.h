// Takes a multi-host libpq URI apart, so that each host can be tried with a time limit of our own: libpq's
// connect_timeout is 2 s at least, and is not applied at all to the non-blocking calls. Knows nothing of the load.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/result.h"

namespace pgaf::load {

/// One host of the URI, with everything that libpq needs to connect to it alone.
struct Host {
    /// "host:port", as logs and results name it.
    std::string name;
    /// libpq's keywords and values.
    std::vector<std::pair<std::string, std::string>> parameters;
};

/// The hosts in the order of the URI (or of the keyword/value string), each with `target_session_attrs` set to
/// `session_attrs`.
[[nodiscard]] Result<std::vector<Host>> hosts_of(const std::string& uri, const std::string& session_attrs);

}  // namespace pgaf::load
