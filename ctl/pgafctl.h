// The command line of pgafctl as a function, so that tests run it without a process.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ctl/session.h"

namespace pgaf::ctl {

/// Runs one command; the result is the exit code (exit_code.h).
[[nodiscard]] int run(const std::vector<std::string>& args, const std::map<std::string, std::string>& environment,
                      Terminal& terminal);

}  // namespace pgaf::ctl
