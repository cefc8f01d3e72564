// Cuts a byte stream into lines, within a bound. Knows nothing of what the lines mean.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pgaf {

class LineBuffer {
  public:
    /// What happens to a line of more than `limit` bytes: the stream is refused, or the line comes in pieces.
    enum class Overlong { refuse, split };

    LineBuffer(std::size_t limit, Overlong overlong) : limit_(limit), overlong_(overlong) {}

    /// Appends the lines that `data` completes, without their ends. False: a line is too long, the stream is of no more
    /// use (the lines before it have been appended).
    [[nodiscard]] bool feed(std::string_view data, std::vector<std::string>& lines) {
        while (!data.empty()) {
            const auto end = data.find('\n');
            const auto part = data.substr(0, end);
            if (overlong_ == Overlong::refuse && rest_.size() + part.size() > limit_) return false;
            add(part, lines);
            if (end == std::string_view::npos) return true;
            finish(lines);
            data.remove_prefix(end + 1);
        }
        return true;
    }

    /// The stream has ended: what is left without a line end is a line too.
    void end(std::vector<std::string>& lines) {
        if (!rest_.empty()) finish(lines);
    }

  private:
    void add(std::string_view part, std::vector<std::string>& lines) {
        while (rest_.size() + part.size() > limit_) {
            const auto room = limit_ - rest_.size();
            rest_.append(part.substr(0, room));
            part.remove_prefix(room);
            lines.push_back(std::move(rest_));
            rest_.clear();
        }
        rest_.append(part);
    }
    void finish(std::vector<std::string>& lines) {
        if (!rest_.empty() && rest_.back() == '\r') rest_.pop_back();
        lines.push_back(std::move(rest_));
        rest_.clear();
    }

    std::size_t limit_;
    Overlong overlong_;
    std::string rest_;
};

}  // namespace pgaf
