// The command line of a program and the order of its sources. The only place of common that knows CLI11.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "common/config_sources.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): unistd.h has it only with _GNU_SOURCE

namespace pgaf::config {
namespace {

constexpr int exit_usage = 2;

Start stop(int exit_code, std::string out, std::string err) {
    Start start;
    start.exit_code = exit_code;
    start.out = std::move(out);
    start.err = std::move(err);
    return start;
}

std::string usage_error(const Program& program, const std::string& message) {
    return program.name + ": " + message + "\nTry: " + program.name +
           (program.command.empty() ? "" : " " + program.command) + " --help\n";
}

std::string help_of(const Program& program, const Option& option) {
    std::string help = option.help;
    if (!option.words.empty()) {
        help += " (";
        for (const auto& word : option.words) help += (&word == &option.words.front() ? "" : "|") + word;
        help += ")";
    }
    if (option.fallback && !option.fallback->empty()) help += " [" + *option.fallback + "]";
    if (!program.env_prefix.empty()) help += " (env " + detail::env_name(program, option) + ")";
    return help;
}

/// What the command line held: texts by option, the file, and whether to check only.
struct Parsed {
    std::map<std::string, List> texts;
    std::string file;
    bool check_only = false;
    bool print_options = false;
    bool version = false;
    /// Set when the parse has ended the program: --help, or a usage error.
    std::optional<Start> ended;
};

Parsed parse(const Program& program, const List& args) {
    Parsed parsed;
    CLI::App app(program.about, program.name);
    app.set_version_flag("--version", program.name + " " PGAF_VERSION);
    CLI::App* command = &app;
    CLI::App* version = nullptr;
    if (!program.command.empty()) {
        command = app.add_subcommand(program.command, program.about);
        version = app.add_subcommand("version", "print the version");
        app.require_subcommand(1);
    }
    if (!program.default_file.empty()) {
        command->add_option("--config", parsed.file, "configuration file [" + program.default_file + "]");
        command->add_flag("--check-config", parsed.check_only, "check the configuration, start nothing");
    }
    // For those who write the reference, not for operators: --help does not show it.
    command->add_flag("--print-options", parsed.print_options)->group("");
    for (const auto& option : program.options) {
        if (option.secret) continue;
        command->add_option(detail::flag_name(option), parsed.texts[option.name], help_of(program, option))
            ->type_name(option.type == Type::table     ? "NAME=VALUE"
                        : option.type == Type::integer ? "N"
                                                       : "TEXT")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    try {
        app.parse(List(args.rbegin(), args.rend()));
    } catch (const CLI::ParseError& end) {
        std::ostringstream out;
        std::ostringstream err;
        const bool fine = app.exit(end, out, err) == 0;
        parsed.ended = fine ? stop(0, out.str(), "") : stop(exit_usage, "", usage_error(program, end.what()));
    }
    parsed.version = version != nullptr && version->parsed();
    return parsed;
}

/// The file to read: the one that was named (then it must exist), or the default one if it exists.
std::string file_to_read(const Program& program, const Parsed& parsed, const Environment& environment) {
    if (program.default_file.empty()) return {};
    if (!parsed.file.empty()) return parsed.file;
    const auto named = environment.find(program.env_prefix + "CONFIG");
    if (named != environment.end() && !named->second.empty()) return named->second;
    std::error_code ignored;  // not there, or not to be seen: there is no default file for this user
    return std::filesystem::exists(program.default_file, ignored) ? program.default_file : std::string{};
}

void read_flags(const Program& program, const Parsed& parsed, detail::Values& values, detail::Problems& problems) {
    for (const auto& option : program.options) {
        const auto found = parsed.texts.find(option.name);
        if (found == parsed.texts.end() || found->second.empty()) continue;
        detail::take_texts(option, found->second, detail::flag_name(option), values, problems);
    }
}

void complain_of_missing(const Program& program, const detail::Values& values, detail::Problems& problems) {
    for (const auto& option : program.options) {
        if (!option.required || values.contains(option.name)) continue;
        std::string how = option.secret ? "" : detail::flag_name(option);
        if (!program.default_file.empty())
            how += (how.empty() ? "" : ", or ") + option.name + " in the configuration file";
        if (!program.env_prefix.empty()) how += ", or " + detail::env_name(program, option);
        problems.push_back(option.name + " is missing (" + option.help + "): give " + how);
    }
}

}  // namespace

int Start::finish() const {
    std::cout << out << std::flush;
    std::cerr << err << std::flush;
    return exit_code;
}

Start start(const Program& program, const List& args, const Environment& environment) {
    const Parsed parsed = parse(program, args);
    if (parsed.ended) return *parsed.ended;
    if (parsed.version) return stop(0, program.name + " " PGAF_VERSION "\n", "");
    if (parsed.print_options) return stop(0, reference_table(program), "");

    detail::Values values;
    detail::Problems problems;
    for (const auto& option : program.options)
        if (option.fallback) detail::take_texts(option, {*option.fallback}, "default", values, problems);
    detail::Values from_file;
    detail::Values from_environment;
    detail::Values from_flags;
    const std::string file = file_to_read(program, parsed, environment);
    if (!file.empty()) detail::read_file(program, file, from_file, problems);
    detail::read_environment(program, environment, from_environment, problems);
    read_flags(program, parsed, from_flags, problems);
    // Each source is checked by itself: a bad value is told even where a stronger source hides it.
    for (const auto* source : {&values, &from_file, &from_environment, &from_flags})
        for (const auto& [name, value] : *source)
            detail::check_value(*detail::find_option(program, name), value, problems);
    detail::merge(values, std::move(from_file));
    detail::merge(values, std::move(from_environment));
    detail::merge(values, std::move(from_flags));
    // What is missing may have been given wrongly above: then that is the message that helps.
    if (problems.empty()) complain_of_missing(program, values, problems);

    Start result;
    result.config = Config(std::move(values));
    if (problems.empty() && program.check)
        for (auto& problem : program.check(*result.config)) problems.push_back(std::move(problem));
    if (!problems.empty()) {
        std::string text;
        for (const auto& problem : problems) text += program.name + ": " + problem + "\n";
        return stop(exit_usage, "", text);
    }
    if (parsed.check_only) return stop(0, (file.empty() ? "configuration" : file) + ": ok\n", "");
    return result;
}

Start start(const Program& program, int argc, const char* const* argv) {
    Environment environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const auto at = text.find('=');
        if (at != std::string::npos) environment[text.substr(0, at)] = text.substr(at + 1);
    }
    return start(program, List(argv + 1, argv + argc), environment);
}

std::string example_file(const Program& program) {
    std::string top;
    std::map<std::string, std::string> sections;
    for (const auto& option : program.options) {
        const auto dot = option.name.find('.');
        std::string& text = dot == std::string::npos ? top : sections[option.name.substr(0, dot)];
        const std::string key = dot == std::string::npos ? option.name : option.name.substr(dot + 1);
        std::string shown = "\"" + option.fallback.value_or("") + "\"";
        if (option.type == Type::integer || option.type == Type::boolean) shown = option.fallback.value_or("0");
        if (option.type == Type::list) shown = "[" + (option.fallback.value_or("").empty() ? "" : shown) + "]";
        if (option.type == Type::table) {
            sections[option.name] += "# " + option.help + "\n";
            continue;
        }
        text += "# " + option.help + (option.required ? " (required)" : "") + "\n";
        text += (option.required ? "" : "#") + key + " = " + shown + "\n\n";
    }
    for (const auto& [name, text] : sections) top += "[" + name + "]\n" + text + "\n";
    return top;
}

}  // namespace pgaf::config
