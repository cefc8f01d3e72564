// Which processes use the data folder, seen in /proc. Looks only; kills nothing.
//
// A process uses the folder when it is a PostgreSQL program that works in it (postmaster, backends, standalone
// servers), or when it carries the launcher's mark in its environment: whatever the postmaster or a program of "run"
// has started (archive and restore commands, a base backup's second process). PostgreSQL's own processes overwrite
// their environment with their titles, so for them the working folder decides. A shell of an operator who stands in the
// folder uses it in neither way.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keeper/launcher/fd.h"

namespace pgaf::launcher {

struct ProcessInfo {
    pid_t pid = 0;
    pid_t parent = 0;
    pid_t group = 0;
    char state = '?';
    /// In clock ticks since boot: tells a process from a later one with its pid.
    std::uint64_t started = 0;
    [[nodiscard]] bool dead() const { return state == 'Z' || state == 'X'; }
};

[[nodiscard]] std::optional<ProcessInfo> read_process(pid_t pid);
[[nodiscard]] std::vector<ProcessInfo> read_processes();
/// A pidfd of exactly this process; empty when it is gone.
[[nodiscard]] Fd open_exactly(const ProcessInfo& process);
/// The title that PostgreSQL gives its processes ("postgres: walsender ..."), or the command line.
[[nodiscard]] std::string process_title(pid_t pid);

class FolderUsers {
  public:
    /// `data_dir` is absolute and has no symbolic links.
    explicit FolderUsers(std::string data_dir) : data_dir_(std::move(data_dir)) {}

    /// Environment variable that the launcher gives to everything it starts.
    [[nodiscard]] std::string mark() const { return "PGAF_LAUNCHED_FOR=" + data_dir_; }

    struct Found {
        /// What has to be gone before PostgreSQL counts as exited (R13), and before it may start.
        std::vector<ProcessInfo> leftovers;
        /// A running postmaster that no launcher has started; 0: none. It and its children are nobody's leftovers.
        pid_t foreign_postmaster = 0;
    };
    /// `spared` are process groups that are none of PostgreSQL's: programs under way.
    [[nodiscard]] Found find(const std::set<pid_t>& spared) const;

  private:
    [[nodiscard]] bool works_in_folder(pid_t pid) const;
    [[nodiscard]] bool is_marked(pid_t pid) const;
    [[nodiscard]] pid_t pid_in_lock_file() const;

    std::string data_dir_;
};

/// Live children of `parent` whose title says that they are walsenders.
[[nodiscard]] std::vector<ProcessInfo> walsenders_of(pid_t parent);

}  // namespace pgaf::launcher
