// One run of pgafctl: the global options, where output goes, and the connection to the monitor.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ctl/client.h"
#include "ctl/exit_code.h"

namespace pgaf::ctl {

/// The streams of a run, and what may be expected of them.
struct Terminal {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    bool out_is_terminal = false;
    /// Somebody can see a question and answer it.
    bool can_ask = false;
};

enum class Format { table, json, yaml };

/// Options that every command has.
struct Globals {
    std::string monitors;
    std::string cluster;
    std::string format = "table";
    std::string timeout;
    bool yes = false;
    bool dry_run = false;
};

class Session {
  public:
    Session(Globals globals, Terminal& terminal, bool no_colour);

    /// Checks what the command line parser could not; a message when something is wrong.
    [[nodiscard]] std::optional<std::string> prepare();

    [[nodiscard]] const std::string& cluster() const { return globals_.cluster; }
    [[nodiscard]] Format format() const { return format_; }
    [[nodiscard]] bool colours() const { return colours_; }
    [[nodiscard]] bool dry_run() const { return globals_.dry_run; }
    [[nodiscard]] Terminal& terminal() { return terminal_; }

    /// A client with --timeout, or else with `fallback_ms`; 0: no end.
    [[nodiscard]] Client client(std::int64_t fallback_ms) const;

    /// Writes a document in the wanted format; `table` makes the text for people.
    void show(const nlohmann::ordered_json& document, const std::function<std::string()>& table);
    /// One of many documents, as they come: a line each in JSON, `---` between them in YAML.
    void show_next(const nlohmann::ordered_json& document, const std::function<std::string()>& table);
    /// Says what went wrong, and hands on the exit code.
    int fail(const Outcome& outcome);

    /// Whether confirmed() will put its question to somebody.
    [[nodiscard]] bool asks() const { return !globals_.yes && terminal_.can_ask; }
    /// Asks for a yes unless --yes was given. `what` is what will happen. False: the exit code has been set.
    [[nodiscard]] bool confirmed(const std::string& what, int& exit_code);

  private:
    Globals globals_;
    Terminal& terminal_;
    Format format_ = Format::table;
    bool colours_ = false;
    bool shown_one_ = false;
    std::vector<HostPort> monitors_;
    std::optional<std::chrono::milliseconds> timeout_;
};

}  // namespace pgaf::ctl
