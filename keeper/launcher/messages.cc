#include "keeper/launcher/messages.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/launcher_protocol.h"

namespace pgaf::launcher {
namespace {

using Json = nlohmann::json;

constexpr std::size_t max_texts = 512;
constexpr std::size_t max_message_bytes = 4096;
constexpr std::int64_t max_limit_ms = 24LL * 3600 * 1000;

/// Reads the fields of one request; the first thing that is wrong stays in `problem`.
class Fields {
  public:
    explicit Fields(const Json& json) : json_(json) {}

    [[nodiscard]] const std::string& problem() const { return problem_; }
    void complain(const std::string& text) {
        if (problem_.empty()) problem_ = text;
    }

    std::string text(const char* name) {
        const auto* value = find(name);
        if (value == nullptr || !value->is_string())
            return complain(std::string(name) + " is missing or not a text"), "";
        return checked(name, value->get<std::string>());
    }
    /// A whole number of `low` to `high`; nothing when it is missing and need not be there.
    std::optional<std::int64_t> number(const char* name, std::int64_t low, std::int64_t high, bool required) {
        const auto* value = find(name);
        if (value == nullptr && !required) return std::nullopt;
        if (value == nullptr || !value->is_number_integer() || !in_range(*value, low, high)) {
            complain(std::string(name) + " has to be a whole number from " + std::to_string(low) + " to " +
                     std::to_string(high));
            return std::nullopt;
        }
        return value->get<std::int64_t>();
    }
    std::optional<Millis> limit(const char* name) {
        const auto value = number(name, 0, max_limit_ms, false);
        return value ? std::optional(Millis{*value}) : std::nullopt;
    }
    std::vector<std::string> texts(const char* name) {
        std::vector<std::string> result;
        const auto* value = find(name);
        if (value == nullptr) return result;
        const bool fine = value->is_array() && value->size() <= max_texts &&
                          std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_string(); });
        if (!fine) return complain(std::string(name) + " has to be a list of at most 512 texts"), result;
        for (const auto& item : *value) result.push_back(checked(name, item.get<std::string>()));
        return result;
    }
    std::vector<std::string> environment(const char* name);

  private:
    [[nodiscard]] const Json* find(const char* name) const {
        const auto found = json_.find(name);
        return found == json_.end() ? nullptr : &*found;
    }
    static bool in_range(const Json& value, std::int64_t low, std::int64_t high) {
        if (value.is_number_unsigned() &&
            value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return false;
        const auto number = value.get<std::int64_t>();
        return number >= low && number <= high;
    }
    /// A zero byte would end the text early on its way to the program.
    std::string checked(const char* name, std::string text) {
        if (text.find('\0') != std::string::npos) complain(std::string(name) + " holds a zero byte");
        return text;
    }

    const Json& json_;
    std::string problem_;
};

bool may_be_set(const std::string& name) {
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (!plain || name.starts_with("PGAF_")) return false;
    return name.starts_with("PG") || name.starts_with("LC_") || name == "LANG" || name == "LANGUAGE" || name == "TZ" ||
           name == "TMPDIR";
}

std::vector<std::string> Fields::environment(const char* name) {
    std::vector<std::string> result;
    const auto* value = find(name);
    if (value == nullptr) return result;
    if (!value->is_object() || value->size() > max_texts)
        return complain(std::string(name) + " has to be an object"), result;
    for (const auto& [key, item] : value->items()) {
        if (!may_be_set(key) || !item.is_string())
            return complain("env: " + key.substr(0, 64) +
                            " can't be set: only PG*, LC_*, LANG, LANGUAGE, TZ and TMPDIR, to texts"),
                   result;
        result.push_back(checked(name, key + "=" + item.get<std::string>()));
    }
    return result;
}

RunRequest read_run(Fields& fields) {
    RunRequest run{fields.text("program"), fields.texts("args"), fields.environment("env")};
    const bool known =
        std::any_of(std::begin(programs), std::end(programs), [&](const char* name) { return run.program == name; });
    if (!known)
        fields.complain("program has to be one of initdb, pg_basebackup, pg_rewind, pg_waldump, pg_controldata");
    return run;
}

Operation read_operation(const std::string& op, Fields& fields) {
    if (op == "start") return StartRequest{fields.texts("args")};
    if (op == "stop") {
        const auto mode = fields.text("mode");
        if (mode != "fast" && mode != "immediate") fields.complain("mode has to be fast or immediate");
        return StopRequest{mode == "immediate", fields.limit("limit_ms")};
    }
    if (op == "reload") return ReloadRequest{};
    if (op == "end_process") {
        const auto pid = fields.number("pid", 2, std::numeric_limits<pid_t>::max(), true);
        return EndProcessRequest{static_cast<pid_t>(pid.value_or(0)), fields.limit("limit_ms")};
    }
    if (op == "run") return read_run(fields);
    if (op == "kill_run")
        return KillRunRequest{static_cast<std::uint64_t>(
            fields.number("run", 0, std::numeric_limits<std::int64_t>::max(), true).value_or(0))};
    if (op == "status") return StatusRequest{};
    if (op == "let_go") return LetGoRequest{};
    if (op == "deadline") {
        const auto limit = fields.number("ms", 0, max_limit_ms, true);
        const auto until = fields.number("until_ms", 0, std::numeric_limits<std::int64_t>::max(), false);
        return DeadlineRequest{Millis{limit.value_or(0)}, until ? std::optional(Millis{*until}) : std::nullopt};
    }
    fields.complain("op " + op.substr(0, 64) + " is not known");
    return StatusRequest{};
}

std::string line_of(const Json& json) {
    // Programs write what they like: what is no UTF-8 is replaced.
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json exit_json(const ExitInfo& exit) {
    return {{"status", exit.status}, {"clean", exit.clean}, {"last_lines", exit.last_lines}, {"expired", exit.expired}};
}

Json hello_json(const HelloInfo& info) {
    Json json{{"life", info.life},         {"data_dir", info.data_dir},
              {"bin_dir", info.bin_dir},   {"postmaster", info.postmaster},
              {"starting", info.starting}, {"exits", info.exits},
              {"leaving", info.leaving},   {"pg_version", info.pg_version}};
    if (info.last_exit) json["last_exit"] = exit_json(*info.last_exit);
    return json;
}

}  // namespace

std::variant<Request, Malformed> parse_request(std::string_view line) {
    const auto json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return Malformed{0, "not a JSON object"};
    Fields fields(json);
    const auto id = fields.number("id", 0, std::numeric_limits<std::int64_t>::max(), true);
    const auto op = fields.text("op");
    Request request{static_cast<std::uint64_t>(id.value_or(0)), StatusRequest{}};
    if (fields.problem().empty()) request.operation = read_operation(op, fields);
    if (!fields.problem().empty()) return Malformed{request.id, fields.problem()};
    return request;
}

std::string ok_line(std::uint64_t id) {
    return line_of({{"id", id}, {"ok", true}});
}
std::string pid_line(std::uint64_t id, pid_t pid) {
    return line_of({{"id", id}, {"ok", true}, {"pid", pid}});
}
std::string stopped_line(std::uint64_t id, bool clean, const std::string& status) {
    return line_of({{"id", id}, {"ok", true}, {"clean", clean}, {"status", status}});
}
std::string error_line(std::uint64_t id, const std::string& message) {
    return line_of({{"id", id}, {"ok", false}, {"error", message.substr(0, max_message_bytes)}});
}
std::string status_line(std::uint64_t id, const HelloInfo& info) {
    auto json = hello_json(info);
    json["id"] = id;
    json["ok"] = true;
    return line_of(json);
}
std::string hello_line(const HelloInfo& info) {
    auto json = hello_json(info);
    json["event"] = "hello";
    return line_of(json);
}
std::string exited_line(std::uint64_t exits, const ExitInfo& exit) {
    auto json = exit_json(exit);
    json["event"] = "exited";
    json["exits"] = exits;
    return line_of(json);
}
std::string started_line(pid_t pid) {
    return line_of({{"event", "started"}, {"pid", pid}});
}
std::string start_failed_line(const std::string& message) {
    return line_of({{"event", "start_failed"}, {"error", message.substr(0, max_message_bytes)}});
}
std::string event_line(const std::string& event) {
    return line_of({{"event", event}});
}
std::string output_line(std::uint64_t run, const char* stream, const std::string& text) {
    return line_of({{"event", "output"}, {"run", run}, {"stream", stream}, {"text", text}});
}
std::string run_ended_line(std::uint64_t run, int code) {
    return line_of({{"event", "run_ended"}, {"run", run}, {"code", code}});
}

}  // namespace pgaf::launcher
