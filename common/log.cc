// The only place of common that knows spdlog.
#include "common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

namespace pgaf {
namespace {

/// A line is cut here: a message may hold a text that somebody else wrote.
constexpr std::size_t max_value_bytes = 4096;

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>("pgaf", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc);
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum level_of(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
        case LogLevel::off:
            return spdlog::level::off;
    }
    return spdlog::level::info;
}

bool must_quote(std::string_view value) {
    return value.empty() || std::any_of(value.begin(), value.end(), [](unsigned char c) {
               return c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f;
           });
}

/// One value on one line, whatever it holds: control characters would let a text forge a line.
void append_value(std::string& line, std::string_view value) {
    static constexpr char digits[] = "0123456789abcdef";
    const bool cut = value.size() > max_value_bytes;
    if (cut) value = value.substr(0, max_value_bytes);
    if (!must_quote(value)) {
        line += value;
    } else {
        line += '"';
        for (const char c : value) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\')
                (line += '\\') += c;
            else if (c == '\n')
                line += "\\n";
            else if (c == '\t')
                line += "\\t";
            else if (byte < ' ' || byte == 0x7f)
                ((line += "\\x") += digits[byte >> 4]) += digits[byte & 15];
            else
                line += c;
        }
        line += '"';
    }
    if (cut) line += "...";
}

void append_fields(std::string& line, LogFields fields) {
    for (const auto& field : fields) {
        ((line += ' ') += field.key) += '=';
        append_value(line, field.value);
    }
}

}  // namespace

std::optional<LogLevel> log_level_from_word(std::string_view word) {
    if (word == "debug") return LogLevel::debug;
    if (word == "info") return LogLevel::info;
    if (word == "warning") return LogLevel::warning;
    if (word == "error") return LogLevel::error;
    if (word == "off") return LogLevel::off;
    return std::nullopt;
}

void set_log_level(LogLevel level) {
    logger().set_level(level_of(level));
}
bool logs(LogLevel level) {
    return logger().should_log(level_of(level));
}

Log Log::with(LogFields fields) const {
    Log more = *this;
    append_fields(more.bound_, fields);
    return more;
}

void Log::write(LogLevel level, std::string_view event, std::string_view message, LogFields fields) const {
    if (!logs(level)) return;
    logger().log(level_of(level), spdlog::string_view_t(format_log_line(event, bound_, fields, message)));
}

std::string format_log_line(std::string_view event, std::string_view bound, LogFields fields,
                            std::string_view message) {
    std::string line = "event=";
    append_value(line, event);
    line += bound;
    append_fields(line, fields);
    line += " msg=";
    append_value(line, message);
    return line;
}

}  // namespace pgaf
