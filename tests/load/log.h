// The log of a load: one line for each attempt, in the order in which the outcomes came. Written with one write() a
// line, so that what was acknowledged before a crash of the load itself is known.
//
//   B <ns> <run> <writers>                                    a run begins
//   A <ns> <sent ns> <writer> <n> <server> <timeline>         acknowledged
//   U <ns> <sent ns> <writer> <n> <server> <reason ...>       outcome unknown
//   F <ns> <sent ns> <writer> <n> <server> <reason ...>       refused: it is nowhere, now or later
//   R <ns> <sent ns> <register> <value> <server> <timeline>   read (the load of values; its A lines are registers too)
//   S <ns> <sent ns> <reader> <sum> <server> <timeline>       the sum of all accounts, as a reader saw it
//   T <ns> <sent ns> <writer> <amount> <server> <timeline>    a transfer between accounts, acknowledged
//   E <ns>                                                    the run was told to stop
// Times are CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>

#include "common/result.h"

namespace pgaf::load {

struct Line {
    /// One of the letters above.
    char kind = 0;
    std::int64_t at_ns = 0;
    std::int64_t sent_ns = 0;
    std::uint32_t writer = 0;
    std::uint64_t n = 0;
    std::string server;
    std::uint32_t timeline = 0;
    std::string reason;
    std::string run;
    std::uint32_t writers = 0;
    friend bool operator==(const Line&, const Line&) = default;
};

/// Has a timeline: A, R, S and T.
[[nodiscard]] bool has_timeline(char kind);
/// Has a reason: U and F.
[[nodiscard]] bool has_reason(char kind);

[[nodiscard]] std::string to_text(const Line& line);
/// Nothing when the text is no line of a log.
[[nodiscard]] std::optional<Line> parse_line(const std::string& text);

/// Appends to a log; any thread may call it.
class LogWriter {
  public:
    static Result<LogWriter> open(const std::string& path);
    LogWriter(LogWriter&& other) noexcept;
    LogWriter& operator=(LogWriter&&) = delete;
    ~LogWriter();
    /// A failed write ends the program: a checker with holes in its knowledge is worse than none.
    void append(const Line& line);

  private:
    LogWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    int fd_;
    std::string path_;
    std::mutex mutex_;
};

/// Reads a log line by line, in bounded memory.
class LogReader {
  public:
    static Result<LogReader> open(const std::string& path, std::int64_t offset = 0);
    /// The next line; nothing at the end. A torn last line (the load was killed) is left out, any other line that
    /// can't be read is an error.
    Result<std::optional<Line>> next();
    /// Where the line that next() returned last begins.
    [[nodiscard]] std::int64_t offset() const { return offset_; }

  private:
    LogReader(std::ifstream file, std::string path, std::int64_t offset)
        : file_(std::move(file)), path_(std::move(path)), offset_(offset), next_offset_(offset) {}
    std::ifstream file_;
    std::string path_;
    std::int64_t offset_;
    std::int64_t next_offset_;
};

}  // namespace pgaf::load
