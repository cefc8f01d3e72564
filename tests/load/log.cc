#include "tests/load/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

namespace pgaf::load {

bool has_timeline(char kind) {
    return kind == 'A' || kind == 'R' || kind == 'S' || kind == 'T';
}

bool has_reason(char kind) {
    return kind == 'U' || kind == 'F';
}

std::string to_text(const Line& line) {
    std::ostringstream text;
    text << line.kind << ' ' << line.at_ns;
    if (line.kind == 'B') text << ' ' << line.run << ' ' << line.writers;
    if (has_timeline(line.kind) || has_reason(line.kind))
        text << ' ' << line.sent_ns << ' ' << line.writer << ' ' << line.n << ' ' << line.server << ' ';
    if (has_timeline(line.kind)) text << line.timeline;
    if (has_reason(line.kind)) text << line.reason;
    text << '\n';
    return text.str();
}

std::optional<Line> parse_line(const std::string& text) {
    std::istringstream words(text);
    Line line;
    words >> line.kind >> line.at_ns;
    if (line.kind == 'B') {
        words >> line.run >> line.writers;
    } else if (has_timeline(line.kind) || has_reason(line.kind)) {
        words >> line.sent_ns >> line.writer >> line.n >> line.server;
        if (has_timeline(line.kind))
            words >> line.timeline;
        else
            std::getline(words >> std::ws, line.reason);
    } else if (line.kind != 'E') {
        return std::nullopt;
    }
    if (has_reason(line.kind) && words.eof() && !line.server.empty()) return line;
    if (words.fail()) return std::nullopt;
    return line;
}

Result<LogWriter> LogWriter::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return error("the log " + path + " can't be opened for writing: " + std::strerror(errno));
    return LogWriter(fd, path);
}

LogWriter::LogWriter(LogWriter&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

LogWriter::~LogWriter() {
    if (fd_ >= 0) close(fd_);
}

void LogWriter::append(const Line& line) {
    const std::string text = to_text(line);
    const std::lock_guard lock(mutex_);
    if (write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
    std::fprintf(stderr, "pgaf-load: writing to %s failed: %s; the run is worthless and ends here\n", path_.c_str(),
                 std::strerror(errno));
    std::_Exit(1);
}

Result<LogReader> LogReader::open(const std::string& path, std::int64_t offset) {
    std::ifstream file(path, std::ios::binary);
    if (!file || !file.seekg(offset)) return error("the log " + path + " can't be read: " + std::strerror(errno));
    return LogReader(std::move(file), path, offset);
}

Result<std::optional<Line>> LogReader::next() {
    std::string text;
    if (!std::getline(file_, text) || file_.eof()) return std::optional<Line>();
    offset_ = next_offset_;
    next_offset_ += static_cast<std::int64_t>(text.size()) + 1;
    std::optional<Line> line = parse_line(text);
    if (!line) return error("the log " + path_ + " has a line that can't be read: " + text.substr(0, 100));
    return line;
}

}  // namespace pgaf::load
