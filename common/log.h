// Structured logging: one line a happening, `key=value`, to standard error. A thin wrapper: users of this header see
// nothing of spdlog. Never hand a secret to it.
//
//   Log log = Log{}.with({{"cluster", "default"}, {"node", "node1"}});
//   log.info("goal_received", "follows node2 from now on", {{"epoch", 7}, {"upstream", "node2"}});
//
//   2026-01-31T12:00:00.123Z info  event=goal_received cluster=default node=node1 epoch=7 upstream=node2
//       msg="follows node2 from now on"                                                       (all on one line)
#pragma once

#include <concepts>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace pgaf {

enum class LogLevel { debug, info, warning, error, off };

/// The words that a configuration may hold: debug, info, warning, error, off.
[[nodiscard]] std::optional<LogLevel> log_level_from_word(std::string_view word);

/// What is below `level` is not written. Safe at any time, from any thread.
void set_log_level(LogLevel level);
[[nodiscard]] bool logs(LogLevel level);

struct LogField {
    std::string key;
    std::string value;

    LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
    LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
    LogField(std::string_view k, const char* v) : key(k), value(v) {}
    LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
    template <class T>
    requires(std::integral<T> && !std::same_as<T, bool>) || std::floating_point<T> LogField(std::string_view k, T v)
        : key(k),
    value(std::to_string(v)) {}
    template <class Tag, class Rep>
    LogField(std::string_view k, const Strong<Tag, Rep>& v) : LogField(k, v.v) {}
};

using LogFields = std::initializer_list<LogField>;

/// A source of log lines with fields that all of its lines carry. Cheap to copy, safe from any thread.
class Log {
  public:
    Log() = default;
    /// The same, with more fields on each line.
    [[nodiscard]] Log with(LogFields fields) const;

    /// `event` is a stable word for programs, `message` says why, for people.
    void debug(std::string_view event, std::string_view message, LogFields fields = {}) const {
        write(LogLevel::debug, event, message, fields);
    }
    void info(std::string_view event, std::string_view message, LogFields fields = {}) const {
        write(LogLevel::info, event, message, fields);
    }
    void warning(std::string_view event, std::string_view message, LogFields fields = {}) const {
        write(LogLevel::warning, event, message, fields);
    }
    void error(std::string_view event, std::string_view message, LogFields fields = {}) const {
        write(LogLevel::error, event, message, fields);
    }
    void write(LogLevel level, std::string_view event, std::string_view message, LogFields fields = {}) const;

  private:
    /// The fields of with(), written out already: " cluster=default node=node1".
    std::string bound_;
};

/// The line without its time and level, for tests: keys and values, quoted where they must be.
[[nodiscard]] std::string format_log_line(std::string_view event, std::string_view bound, LogFields fields,
                                          std::string_view message);

}  // namespace pgaf
