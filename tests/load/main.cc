// pgaf-load: a write load that keeps what was acknowledged, and the checker that holds a cluster to it.
// Exit codes as everywhere in pgaf: 0 done, 1 refused, failed or rows lost, 2 usage.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/load/check.h"
#include "tests/load/value_check.h"
#include "tests/load/value_load.h"
#include "tests/load/writer.h"

namespace {

const pgaf::load::StopSwitch* stop_switch = nullptr;

void on_signal(int) {
    stop_switch->throw_switch();
}

int complain(const pgaf::Error& why) {
    std::fprintf(stderr, "pgaf-load: %s\n", why.message.c_str());
    return 1;
}

void add_write(CLI::App& app, pgaf::load::WriteOptions& options) {
    CLI::App* write =
        app.add_subcommand("write", "insert rows until SIGTERM or the duration's end, and log each outcome");
    write->add_option("--uri", options.uri, "multi-host connection URI")->required();
    write->add_option("--http", options.http,
                      "HTTP addresses of the keepers, host:port,...: half of the writers find the primary by them");
    write->add_option("--log", options.log, "file that the outcomes are appended to")->required();
    write->add_option("--writers", options.writers, "connections that write")->check(CLI::Range(1, 64));
    write->add_option("--rate", options.rate, "rows a second of each writer; 0: no limit")
        ->check(CLI::NonNegativeNumber);
    write->add_option("--duration", options.duration_s, "seconds; 0: until SIGTERM")->check(CLI::NonNegativeNumber);
    write->add_option("--start-limit", options.start_limit_s, "seconds to find a primary at the beginning")
        ->check(CLI::PositiveNumber);
}

void add_check(CLI::App& app, pgaf::load::CheckOptions& options) {
    CLI::App* check = app.add_subcommand("check", "hold servers to what a log says was acknowledged");
    check->add_option("--uri", options.uri,
                      "connection URI; each of its hosts is checked; none: only the log is judged");
    check->add_option("--log", options.log, "file that 'write' has made")->required()->check(CLI::ExistingFile);
    check->add_option("--since-ns", options.since_ns, "CLOCK_MONOTONIC; earlier gaps do not count for the outage");
    check->add_option("--until-ns", options.until_ns, "CLOCK_MONOTONIC; later gaps do not count for the outage");
    check
        ->add_option("--late-ms", options.late_ms,
                     "how late an acknowledgement of an older timeline may arrive when its request was sent in time")
        ->check(CLI::NonNegativeNumber);
    check->add_option("--limit", options.limit_s, "seconds for the servers to be there and to catch up")
        ->check(CLI::PositiveNumber);
}

void add_values(CLI::App& app, pgaf::load::ValueOptions& options, pgaf::load::ValueCheckOptions& check_options) {
    CLI::App* values = app.add_subcommand("values", "set registers and move money until SIGTERM or the duration's end");
    values->add_option("--uri", options.uri, "multi-host connection URI")->required();
    values->add_option("--http", options.http, "HTTP addresses of the keepers, as for 'write'");
    values->add_option("--log", options.log, "file that the outcomes are appended to")->required();
    values->add_option("--registers", options.registers, "registers, each with its writer")->check(CLI::Range(1, 64));
    values->add_option("--rate", options.rate, "statements a second of each session; 0: no limit")
        ->check(CLI::NonNegativeNumber);
    values->add_option("--duration", options.duration_s, "seconds; 0: until SIGTERM")->check(CLI::NonNegativeNumber);

    CLI::App* check = app.add_subcommand("check-values", "hold servers to what a log of 'values' says");
    check->add_option("--uri", check_options.uri, "as for 'check'");
    check->add_option("--log", check_options.log, "file that 'values' has made")->required()->check(CLI::ExistingFile);
    check->add_option("--stale-limit-ms", check_options.stale_limit_ms,
                      "how old a read from a server that was replaced may be; negative: as old as it likes");
    check->add_option("--stale-since-ns", check_options.stale_since_ns,
                      "CLOCK_MONOTONIC; earlier reads may be as old as they like");
    check->add_option("--stale-allow", check_options.stale_allow,
                      "from,to,limit (CLOCK_MONOTONIC, ns; ms): in this time reads may be as old as that");
    check->add_option("--by-hand", check_options.by_hand,
                      "host:port,from,to (CLOCK_MONOTONIC, ns): somebody promoted it past the cluster then");
    check->add_option("--limit", check_options.limit_s, "seconds for the servers to be there and to catch up")
        ->check(CLI::PositiveNumber);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("write load and checker for PostgreSQL clusters", "pgaf-load");
    app.require_subcommand(1);
    pgaf::load::WriteOptions write_options;
    pgaf::load::CheckOptions check_options;
    pgaf::load::ValueOptions value_options;
    pgaf::load::ValueCheckOptions value_check_options;
    add_values(app, value_options, value_check_options);
    add_write(app, write_options);
    add_check(app, check_options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong) == 0 ? 0 : 2;
    }

    const pgaf::load::StopSwitch stop;
    stop_switch = &stop;
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);

    if (app.got_subcommand("write")) {
        const auto done = pgaf::load::write_load(write_options, stop);
        return done.has_error() ? complain(done.error()) : 0;
    }
    if (app.got_subcommand("values")) {
        const auto done = pgaf::load::load_values(value_options, stop);
        return done.has_error() ? complain(done.error()) : 0;
    }
    const auto good = app.got_subcommand("check") ? pgaf::load::check_load(check_options, stop)
                                                  : pgaf::load::check_values(value_check_options, stop);
    if (good.has_error()) return complain(good.error());
    return good.value() ? 0 : 1;
}
