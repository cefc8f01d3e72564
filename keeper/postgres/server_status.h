// What the server says of itself without a query: the status word of postmaster.pid, and why a connection was refused.
#pragma once

#include <string>

#include "common/result.h"

namespace pgaf::keeper {

/// Line 8 of postmaster.pid: "starting", "stopping", "ready" (takes connections), "standby" (recovers, takes none yet);
/// empty when there is no such file. In English whatever the server's language is.
[[nodiscard]] std::string postmaster_word(const std::string& data_dir);

/// A refused connection of the keeper's own, with what to do about it.
[[nodiscard]] std::string explain_connection(const Error& error, const std::string& sqlstate);

}  // namespace pgaf::keeper
