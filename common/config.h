// Configuration of a program: one declarative table of options, read from a TOML file, the environment and flags, in
// that order of growing strength. Knows no program's options, and no library's types (toml++ and CLI11 stay inside).
//
//   const config::Program program{.name = "pgaf-keeper", .about = "...", .command = "run",
//                                 .env_prefix = "PGAF_KEEPER_", .default_file = "/etc/pgaf/keeper.toml",
//                                 .options = {{.name = "port", .type = config::Type::integer, .fallback = "5432",
//                                              .help = "port of PostgreSQL", .min = 1, .max = 65535}, ...}};
//   auto start = config::start(program, argc, argv);
//   if (!start.config) return start.finish();
//   start.config->integer("port");
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/result.h"

namespace pgaf::config {

using List = std::vector<std::string>;
using Table = std::map<std::string, std::string>;
using Environment = std::map<std::string, std::string>;

/// Table: names with texts, for example PostgreSQL's parameters.
enum class Type { text, integer, boolean, list, table };

/// Tells what is wrong with a text ("not a host:port"); empty when nothing is.
using Check = std::function<std::string(const std::string&)>;

struct Option {
    /// The key in the file. A dot names a section: "tls.cert_file" is cert_file in [tls]. In the environment
    /// PREFIX_TLS_CERT_FILE, as a flag --tls-cert-file.
    std::string name{};
    Type type = Type::text;
    /// Default, written as in the environment. Not set: the option has no value unless given.
    std::optional<std::string> fallback{};
    std::string help{};
    std::optional<std::int64_t> min{};
    std::optional<std::int64_t> max{};
    /// The allowed words of a text or of a list's items; empty: any.
    std::vector<std::string> words{};
    bool required = false;
    /// Never a flag, never shown; in a file only if nobody but its owner can read it.
    bool secret = false;
    /// How a table of a file writes true and false as texts.
    const char* yes = "true";
    const char* no = "false";
    /// Between the items of a list, or the NAME=VALUE pairs of a table, in the environment and in flags.
    char separator = ',';
    /// For each text, list item or table value.
    Check check{};
};

struct Value {
    std::variant<std::string, std::int64_t, bool, List, Table> value{};
    /// Where it came from, for error messages: "keeper.toml:7", "PGAF_KEEPER_PORT", "--port", "default".
    std::string source{};
};

/// The values that hold. Asking for an option that is not in the table, or as another type, is a broken program.
class Config {
  public:
    Config() = default;
    explicit Config(std::map<std::string, Value> values) : values_(std::move(values)) {}

    /// Empty when the option has no value.
    [[nodiscard]] const std::string& text(const std::string& name) const;
    /// 0, false, {} when the option has no value: check has() where that matters.
    [[nodiscard]] std::int64_t integer(const std::string& name) const;
    [[nodiscard]] bool boolean(const std::string& name) const;
    [[nodiscard]] const List& list(const std::string& name) const;
    [[nodiscard]] const Table& table(const std::string& name) const;

    [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
    /// Where the value came from; "default" when nobody gave one.
    [[nodiscard]] std::string source(const std::string& name) const;
    [[nodiscard]] const std::map<std::string, Value>& values() const { return values_; }

  private:
    std::map<std::string, Value> values_;
};

struct Program {
    std::string name{};
    std::string about{};
    /// The command that takes the options ("run"); empty: the program has no commands.
    std::string command{};
    /// "PGAF_KEEPER_". A variable that begins with it and names no option is an error.
    std::string env_prefix{};
    /// Read when it exists and --config names no other; empty: the program has no file.
    std::string default_file{};
    std::vector<Option> options{};
    /// What no single option can tell: problems that need several values together. Run last.
    std::function<std::vector<std::string>(const Config&)> check{};
};

/// What main() does next.
struct Start {
    /// Set: run with it. Not set: say `out` and `err` and exit with `exit_code`.
    std::optional<Config> config;
    int exit_code = 0;
    std::string out;
    std::string err;
    /// Prints and returns the exit code.
    [[nodiscard]] int finish() const;
};

/// Reads everything. Bad input, all of it at once, ends in exit code 2. --help, version and --check-config end in 0.
[[nodiscard]] Start start(const Program& program, int argc, const char* const* argv);
[[nodiscard]] Start start(const Program& program, const List& args, const Environment& environment);

/// What a program that runs takes of a configuration that it has read anew.
struct Reload {
    /// What holds from now on: a program keeps it for the next time.
    Config running;
    /// Names of the options that have another value now, and of those that have another value after a restart only.
    List taken;
    List left;
    /// Both in words, names without values.
    [[nodiscard]] std::string text() const;
};

/// `can_change`: the options that the program can take while it runs.
[[nodiscard]] Reload reload(const Config& running, const Config& read, const List& can_change);

/// Commented TOML with every option and its default, for the example files and the reference.
[[nodiscard]] std::string example_file(const Program& program);

/// The options as a table in Markdown, for the reference. What --print-options prints.
[[nodiscard]] std::string reference_table(const Program& program);

/// The secret in a file that nobody but its owner can read (0600 or 0400), without its closing newline. An error
/// names the file and the remedy, never the content.
[[nodiscard]] Result<std::string> read_secret_file(const std::string& path);

// ---- checks that several programs need -------------------------------------------------------------------------

[[nodiscard]] std::string check_host_port(const std::string& text);
/// The same, for what a program listens on.
[[nodiscard]] std::string check_listen_address(const std::string& text);
[[nodiscard]] std::string check_cluster_name(const std::string& text);
[[nodiscard]] std::string check_node_name(const std::string& text);
[[nodiscard]] std::string check_absolute_path(const std::string& text);

}  // namespace pgaf::config
