// The exit codes of pgafctl. Scripts rely on them: never change one.
#pragma once

namespace pgaf::ctl {

enum ExitCode : int {
    exit_done = 0,
    exit_refused = 1,      // the monitor refused, or the operation failed
    exit_usage = 2,        // the command line is wrong
    exit_unreachable = 3,  // no monitor could be reached, or it broke off
    exit_timed_out = 4,    // no answer within --timeout
    exit_unconfirmed = 5,  // needs --yes, or a terminal to ask on
};

}  // namespace pgaf::ctl
