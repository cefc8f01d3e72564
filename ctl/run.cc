// The command line as a whole: global options, the families of commands, usage errors.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <sstream>

#include "ctl/commands.h"
#include "ctl/pgafctl.h"

namespace pgaf::ctl {
namespace {

constexpr auto version_line = "pgafctl " PGAF_VERSION "\n";

std::string from_environment(const std::map<std::string, std::string>& environment, const std::string& name,
                             const std::string& otherwise) {
    const auto found = environment.find(name);
    return found == environment.end() || found->second.empty() ? otherwise : found->second;
}

void add_globals(CLI::App& app, Globals& globals) {
    app.add_option("--monitor", globals.monitors, "monitors HOST:PORT[,...], tried in turn (env PGAF_MONITOR)")
        ->capture_default_str();
    app.add_option("--cluster", globals.cluster, "name of the cluster (env PGAF_CLUSTER)")->capture_default_str();
    app.add_option("-o,--output", globals.format, "table, json or yaml")
        ->check(CLI::IsMember({"table", "json", "yaml"}))
        ->capture_default_str();
    app.add_option("--timeout", globals.timeout,
                   "give up after this time (30, 500ms, 2m); default 10s, 60s for what takes long, none to watch");
    app.add_flag("-y,--yes", globals.yes, "do not ask");
    app.add_flag("--dry-run", globals.dry_run, "only say whether it would be done or refused");
}

/// The command that was given, as far as it was understood: "pgafctl", "pgafctl get node".
CLI::App* deepest(CLI::App& app, std::string& words) {
    CLI::App* command = &app;
    words = app.get_name();
    while (!command->get_subcommands().empty()) {
        command = command->get_subcommands().front();
        words += " " + command->get_name();
    }
    return command;
}

/// What is wrong with the command line, and what would be right.
std::string usage_error(CLI::App& app, const CLI::ParseError& wrong) {
    std::string words;
    CLI::App* command = deepest(app, words);
    std::string what = std::string("pgafctl: ") + wrong.what();
    std::string commands;
    for (const auto* each : command->get_subcommands([](const CLI::App*) { return true; }))
        commands += (commands.empty() ? "" : ", ") + each->get_name();
    // The parser says only that a command is missing, also for one that does not exist.
    if (!commands.empty() && wrong.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
        const std::vector<std::string> unknown = app.remaining(true);
        const auto first = [&](bool option) {
            return std::find_if(unknown.begin(), unknown.end(),
                                [&](const auto& word) { return (word[0] == '-') == option; });
        };
        const std::string where = command == &app ? "" : " after '" + words + "'";
        if (const auto word = first(false); word != unknown.end())
            what = "pgafctl: there is no '" + *word + "'" + where + "; there are: " + commands;
        else if (const auto option = first(true); option != unknown.end())
            what = "pgafctl: there is no option " + *option + where + "; the commands are: " + commands;
        else
            what = "pgafctl: a command is missing" + where + "; there are: " + commands;
    }
    return what + "\nTry: " + words + " --help";
}

}  // namespace

int run(const std::vector<std::string>& args, const std::map<std::string, std::string>& environment,
        Terminal& terminal) {
    CLI::App app("Shows and steers pgaf clusters. Talks to the monitor.", "pgafctl");
    app.set_version_flag("--version", std::string(version_line, std::strlen(version_line) - 1));
    app.footer("Exit codes: 0 done, 1 refused or failed, 2 usage, 3 no monitor reached, 4 timed out, 5 needs --yes");
    app.fallthrough();  // global options may stand after the command
    app.require_subcommand(1);
    Globals globals;
    globals.monitors = from_environment(environment, "PGAF_MONITOR", "127.0.0.1:5431");
    globals.cluster = from_environment(environment, "PGAF_CLUSTER", "default");
    add_globals(app, globals);

    Action action;
    add_show(app, action);
    add_perform(app, action);
    add_maintenance(app, action);
    add_settings(app, action);
    add_drop(app, action);
    app.add_subcommand("version", "print the version")->callback([&action] {
        action = [](Session& session) {
            session.terminal().out << version_line;
            return exit_done;
        };
    });

    try {
        app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
    } catch (const CLI::ParseError& end) {
        std::ostringstream out;
        std::ostringstream ignored;
        if (app.exit(end, out, ignored) == 0) {
            terminal.out << out.str() << std::flush;
            return exit_done;
        }
        terminal.err << usage_error(app, end) << std::endl;
        return exit_usage;
    }

    Session session(globals, terminal, !from_environment(environment, "NO_COLOR", "").empty());
    if (const auto problem = session.prepare()) {
        terminal.err << "pgafctl: " << *problem << std::endl;
        return exit_usage;
    }
    return action(session);
}

}  // namespace pgaf::ctl
