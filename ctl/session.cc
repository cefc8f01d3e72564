#include "ctl/session.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "common/ids.h"
#include "ctl/text.h"
#include "ctl/yaml.h"

namespace pgaf::ctl {
namespace {

constexpr auto default_port = "5431";

std::string json_text(const nlohmann::ordered_json& document, int indent) {
    return document.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// "host:port,host,..." with the monitor's usual port where none is named.
Result<std::vector<HostPort>> parse_monitors(const std::string& text) {
    std::vector<HostPort> monitors;
    std::string item;
    for (const char c : text + ',') {
        if (c != ',') {
            if (c != ' ') item += c;
            continue;
        }
        if (item.empty()) continue;
        const bool has_port = item.find(':') != std::string::npos && item.back() != ']';
        const auto parsed = parse_host_port(has_port ? item : item + ":" + default_port);
        if (!parsed) return parsed.error();
        if (parsed->port == 0) return error("'" + item + "': port 0 cannot be called");
        monitors.push_back(*parsed);
        item.clear();
    }
    if (monitors.empty()) return error("no monitor is named; write for example --monitor 127.0.0.1:5431");
    return monitors;
}

}  // namespace

Session::Session(Globals globals, Terminal& terminal, bool no_colour)
    : globals_(std::move(globals)), terminal_(terminal), colours_(terminal.out_is_terminal && !no_colour) {}

std::optional<std::string> Session::prepare() {
    auto monitors = parse_monitors(globals_.monitors);
    if (!monitors) return "--monitor: " + monitors.error().message;
    monitors_ = std::move(*monitors);
    if (!is_valid_cluster_name(globals_.cluster))
        return "--cluster: '" + globals_.cluster +
               "' is not a cluster name: at most 16 characters, a-z first, then a-z, 0-9 and '-', no '-' at the end";
    if (globals_.format == "json")
        format_ = Format::json;
    else if (globals_.format == "yaml")
        format_ = Format::yaml;
    if (!globals_.timeout.empty()) {
        const auto ms = parse_duration_ms(globals_.timeout);
        if (ms <= 0) return "--timeout: '" + globals_.timeout + "' is not a duration; write 30, 30s, 500ms or 2m";
        timeout_ = std::chrono::milliseconds(ms);
    }
    return std::nullopt;
}

Client Session::client(std::int64_t fallback_ms) const {
    auto timeout = timeout_;
    if (!timeout && fallback_ms > 0) timeout = std::chrono::milliseconds(fallback_ms);
    return Client(monitors_, timeout);
}

void Session::show(const nlohmann::ordered_json& document, const std::function<std::string()>& table) {
    switch (format_) {
        case Format::table:
            terminal_.out << table();
            break;
        case Format::json:
            terminal_.out << json_text(document, 2) << '\n';
            break;
        case Format::yaml:
            terminal_.out << to_yaml(document);
            break;
    }
    terminal_.out.flush();
}

void Session::show_next(const nlohmann::ordered_json& document, const std::function<std::string()>& table) {
    switch (format_) {
        case Format::table:
            terminal_.out << table();
            break;
        case Format::json:
            terminal_.out << json_text(document, -1) << '\n';
            break;
        case Format::yaml:
            terminal_.out << (shown_one_ ? "---\n" : "") << to_yaml(document);
            break;
    }
    shown_one_ = true;
    terminal_.out.flush();
}

int Session::fail(const Outcome& outcome) {
    terminal_.err << "pgafctl: " << outcome.message << std::endl;
    return outcome.code;
}

bool Session::confirmed(const std::string& what, int& exit_code) {
    if (globals_.yes) return true;
    if (!terminal_.can_ask) {
        exit_code = fail({exit_unconfirmed, what + "\nthis must be confirmed: run it on a terminal, or with --yes"});
        return false;
    }
    terminal_.err << what << "\nContinue? [y/N] " << std::flush;
    std::string answer;
    std::getline(terminal_.in, answer);
    if (answer == "y" || answer == "yes" || answer == "Y") return true;
    exit_code = fail({exit_refused, "not confirmed; nothing was changed"});
    return false;
}

}  // namespace pgaf::ctl
