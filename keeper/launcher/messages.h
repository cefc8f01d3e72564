// The launcher's side of common/launcher_protocol.h as plain values: requests read from lines, lines written. The only
// part of the launcher that knows JSON. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/ids.h"

namespace pgaf::launcher {

struct StartRequest {
    std::vector<std::string> args;
};
struct StopRequest {
    bool immediate = false;
    std::optional<Millis> limit;
};
struct ReloadRequest {};
struct EndProcessRequest {
    pid_t pid = 0;
    std::optional<Millis> limit;
};
struct RunRequest {
    std::string program;
    std::vector<std::string> args;
    /// "NAME=value", of the names that may be given.
    std::vector<std::string> environment;
};
struct KillRunRequest {
    std::uint64_t run = 0;
};
struct StatusRequest {};
struct LetGoRequest {};
struct DeadlineRequest {
    /// 0: none.
    Millis limit;
    /// The same moment on CLOCK_BOOTTIME, where the keeper said it.
    std::optional<Millis> until;
};
using Operation = std::variant<StartRequest, StopRequest, ReloadRequest, EndProcessRequest, RunRequest, KillRunRequest,
                               StatusRequest, LetGoRequest, DeadlineRequest>;

struct Request {
    std::uint64_t id = 0;
    Operation operation;
};
/// A line that is no request: what is wrong with it, and its id as far as it can be read.
struct Malformed {
    std::uint64_t id = 0;
    std::string problem;
};
[[nodiscard]] std::variant<Request, Malformed> parse_request(std::string_view line);

/// How the postmaster ended.
struct ExitInfo {
    std::string status;
    bool clean = false;
    std::vector<std::string> last_lines;
    /// It was stopped because the deadline had passed (R8).
    bool expired = false;
};
struct HelloInfo {
    std::string life;
    std::string data_dir;
    std::string bin_dir;
    std::string pg_version;
    pid_t postmaster = 0;
    /// A start is under way: no pid yet, and yet not stopped.
    bool starting = false;
    std::uint64_t exits = 0;
    bool leaving = false;
    std::optional<ExitInfo> last_exit;
};

// Every line below ends with its line end, and is valid UTF-8 whatever the texts hold.
[[nodiscard]] std::string ok_line(std::uint64_t id);
[[nodiscard]] std::string pid_line(std::uint64_t id, pid_t pid);
[[nodiscard]] std::string stopped_line(std::uint64_t id, bool clean, const std::string& status);
[[nodiscard]] std::string error_line(std::uint64_t id, const std::string& message);
[[nodiscard]] std::string status_line(std::uint64_t id, const HelloInfo& info);
[[nodiscard]] std::string hello_line(const HelloInfo& info);
[[nodiscard]] std::string exited_line(std::uint64_t exits, const ExitInfo& exit);
[[nodiscard]] std::string started_line(pid_t pid);
[[nodiscard]] std::string start_failed_line(const std::string& message);
/// {"event":"leaving"} and the like.
[[nodiscard]] std::string event_line(const std::string& event);
[[nodiscard]] std::string output_line(std::uint64_t run, const char* stream, const std::string& text);
[[nodiscard]] std::string run_ended_line(std::uint64_t run, int code);

}  // namespace pgaf::launcher
