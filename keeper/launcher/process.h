// Starting a process and holding on to it: fork, exec, pidfd. Knows no program in particular.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/result.h"
#include "keeper/launcher/fd.h"

namespace pgaf::launcher {

struct Command {
    /// Absolute path of the program.
    std::string path;
    /// Without the program's own name.
    std::vector<std::string> args;
    /// "NAME=value", all of it.
    std::vector<std::string> environment;
    /// Descriptors for standard output and error; -1: the launcher's own. Standard input is /dev/null.
    int out = -1;
    int err = -1;
    /// What the child gets when the launcher dies (PR_SET_PDEATHSIG).
    int death_signal = 0;
    /// A session of its own rather than only a process group of its own.
    bool new_session = false;
};

/// Answers once the program was executed; that it could not be is an error that says why.
[[nodiscard]] Result<pid_t> spawn(const Command& command);

/// Names one process for good, where a pid may be another's tomorrow. Empty when there is no such process.
[[nodiscard]] Fd open_pidfd(pid_t pid);
/// False when the process is gone.
bool send_signal(const Fd& pidfd, int signal);

/// "exit code 1", "signal 9".
[[nodiscard]] std::string describe_wait_status(int status);
/// The exit code, or 128 + the signal, as shells say it.
[[nodiscard]] int exit_code_of(int status);

/// Runs a short program to its end and answers its standard output (at most 64 KiB), for the time before the loop runs.
[[nodiscard]] Result<std::string> output_of(const std::string& path, const std::vector<std::string>& args);

/// This process's environment without PostgreSQL's client and server variables (PGPORT in a supervisor's environment
/// must not move the server), plus `added`.
[[nodiscard]] std::vector<std::string> child_environment(const std::vector<std::string>& added);

}  // namespace pgaf::launcher
