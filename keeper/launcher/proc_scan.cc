#include "keeper/launcher/proc_scan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "keeper/launcher/process.h"

namespace pgaf::launcher {
namespace {

constexpr std::size_t max_environment_bytes = 1024 * 1024;
constexpr std::size_t max_title_bytes = 4096;

/// Empty when it can't be read: the process is gone, or another user's.
std::string read_file(const std::string& path, std::size_t limit) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    char buffer[4096];
    while (file && text.size() < limit) {
        const auto got = ::read(file.get(), buffer, sizeof buffer);
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

std::string of(pid_t pid, const char* name) {
    return "/proc/" + std::to_string(pid) + "/" + name;
}

std::string read_link(const std::string& path) {
    char buffer[4096];
    const auto got = ::readlink(path.c_str(), buffer, sizeof buffer);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
}

/// Processes whose parent, or whose parent's parent, ... is `root`; of those in `by_pid`.
bool descends_from(pid_t root, const ProcessInfo& process, const std::map<pid_t, ProcessInfo>& by_pid) {
    auto at = process.parent;
    // The bound is there because the picture is not taken at one instant: pids may have formed a ring.
    for (std::size_t steps = 0; steps < by_pid.size() && at > 0; ++steps) {
        if (at == root) return true;
        const auto found = by_pid.find(at);
        if (found == by_pid.end()) return false;
        at = found->second.parent;
    }
    return false;
}

}  // namespace

std::optional<ProcessInfo> read_process(pid_t pid) {
    const auto text = read_file(of(pid, "stat"), 4096);
    // The name in brackets may hold anything; the last bracket ends it.
    const auto close = text.rfind(')');
    if (close == std::string::npos || close + 2 >= text.size()) return std::nullopt;
    ProcessInfo info;
    info.pid = pid;
    int parent = 0;
    int group = 0;
    unsigned long long started = 0;
    // Fields 3 (state) to 22 (start time), see proc(5).
    const int got = std::sscanf(text.c_str() + close + 2,
                                "%c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                                &info.state, &parent, &group, &started);
    if (got != 4) return std::nullopt;
    info.parent = parent;
    info.group = group;
    info.started = started;
    return info;
}

std::vector<ProcessInfo> read_processes() {
    std::vector<ProcessInfo> result;
    std::error_code failed;
    for (std::filesystem::directory_iterator at("/proc", failed), end; !failed && at != end; at.increment(failed)) {
        const auto name = at->path().filename().string();
        pid_t pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
        if (const auto info = read_process(pid)) result.push_back(*info);
    }
    return result;
}

Fd open_exactly(const ProcessInfo& process) {
    auto fd = open_pidfd(process.pid);
    const auto now = read_process(process.pid);
    if (!fd || !now || now->started != process.started) return {};
    return fd;
}

std::string process_title(pid_t pid) {
    auto text = read_file(of(pid, "cmdline"), max_title_bytes);
    for (char& c : text)
        if (c == '\0') c = ' ';
    return text;
}

bool FolderUsers::works_in_folder(pid_t pid) const {
    // After a package upgrade the running program reads "postgres (deleted)".
    const auto program = std::filesystem::path(read_link(of(pid, "exe"))).filename().string();
    if (program.find("postgres") == std::string::npos) return false;
    const auto folder = read_link(of(pid, "cwd"));
    if (folder == data_dir_ || folder == data_dir_ + " (deleted)") return true;
    struct stat theirs {};
    struct stat ours {};
    return ::stat(of(pid, "cwd").c_str(), &theirs) == 0 && ::stat(data_dir_.c_str(), &ours) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

bool FolderUsers::is_marked(pid_t pid) const {
    const auto environment = '\0' + read_file(of(pid, "environ"), max_environment_bytes) + '\0';
    return environment.find('\0' + mark() + '\0') != std::string::npos;
}

pid_t FolderUsers::pid_in_lock_file() const {
    const auto text = read_file(data_dir_ + "/postmaster.pid", 64);
    // A standalone server writes its pid with a minus sign.
    return static_cast<pid_t>(std::labs(std::strtol(text.c_str(), nullptr, 10)));
}

FolderUsers::Found FolderUsers::find(const std::set<pid_t>& spared) const {
    std::map<pid_t, ProcessInfo> by_pid;
    for (const auto& process : read_processes()) by_pid[process.pid] = process;

    const pid_t self = ::getpid();
    const auto owner = ::geteuid();
    Found found;
    const auto server = by_pid.find(pid_in_lock_file());
    if (server != by_pid.end() && !server->second.dead() && server->first != self && works_in_folder(server->first) &&
        !is_marked(server->first) && !spared.contains(server->second.group))
        found.foreign_postmaster = server->first;

    for (const auto& [pid, process] : by_pid) {
        if (pid == self || process.dead() || spared.contains(process.group)) continue;
        const bool foreign =
            found.foreign_postmaster != 0 &&
            (pid == found.foreign_postmaster || descends_from(found.foreign_postmaster, process, by_pid));
        if (foreign) continue;
        bool left = descends_from(self, process, by_pid);
        struct stat entry {};
        if (!left && ::stat(("/proc/" + std::to_string(pid)).c_str(), &entry) == 0 && entry.st_uid == owner)
            left = works_in_folder(pid) || is_marked(pid);
        if (left) found.leftovers.push_back(process);
    }
    return found;
}

std::vector<ProcessInfo> walsenders_of(pid_t parent) {
    std::vector<ProcessInfo> result;
    for (const auto& process : read_processes()) {
        if (process.parent != parent || process.dead()) continue;
        const auto title = process_title(process.pid);
        // "postgres: walsender ..." or, with cluster_name, "postgres: main: walsender ...".
        if (title.starts_with("postgres: ") && title.find(": walsender ") != std::string::npos)
            result.push_back(process);
    }
    return result;
}

}  // namespace pgaf::launcher
