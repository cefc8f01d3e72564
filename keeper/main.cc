// pgaf-keeper: reads its options, takes up its promise, and keeps PostgreSQL what the monitor wants it to be. SIGTERM
// ends the keeper and nothing else. Exit codes: 0 ended by a signal, 1 could not start or go on, 2 bad options.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>
#include <optional>
#include <string_view>

#include "common/http/server.h"
#include "keeper/http/metrics.h"
#include "keeper/http/routes.h"
#include "keeper/options.h"
#include "keeper/reconcile/reconcile.h"

namespace {

using namespace pgaf;
using namespace pgaf::keeper;

/// The command line, to read the configuration anew.
struct Arguments {
    int count;
    char** values;
};

/// SIGHUP: what can change while the keeper runs, which is what it logs.
void reload(const Arguments& arguments, const Log& log) {
    const auto start = config::start(program(), arguments.count, arguments.values);
    if (!start.config) return log.error("reload_failed", "the configuration stays as it was: " + start.err);
    const LogLevel level = options_from(*start.config).log_level;
    set_log_level(level);
    log.info("reloaded",
             "log_level is what the configuration says now; all else changes with a restart of the keeper, "
             "while PostgreSQL runs on");
}

void stop_on_signals(boost::asio::signal_set& signals, Loop& loop, const Arguments& arguments, const Log& log) {
    signals.async_wait([&signals, &loop, arguments, log](const boost::system::error_code& cancelled, int number) {
        if (cancelled) return;
        if (number == SIGHUP) {
            reload(arguments, log);
            return stop_on_signals(signals, loop, arguments, log);
        }
        log.info("keeper_stops", "the keeper ends; PostgreSQL is left as it is");
        loop.stop();
    });
}

Result<> serve(Options options, const Arguments& arguments) {
    const Log log = options.loop.log;
    auto file = StateFile::open(options.postgres.state_dir, options.postgres.cluster, options.postgres.node);
    if (!file) return file.error();
    const auto loaded = file->load();
    if (!loaded) return loaded.error();

    boost::asio::io_context context{1};
    auto session = MonitorSession::make(context.get_executor(), options.session);
    if (!session) return session.error();
    const auto control = make_postgres_control(options.postgres, context.get_executor());
    StatsReader stats(context.get_executor(), options.postgres, options.stats_interval);
    Metrics metrics({[&] { return stats.stats(); }, [&] { return control->disk_space(); }});
    options.loop.on_answer = [&](std::chrono::nanoseconds after) { metrics.answered(after); };
    options.loop.on_rest = [&](bool yes) { stats.at_rest(yes); };
    Loop loop(context.get_executor(), *control, **session, *file, options.loop);
    const Sources sources{options.tags, [&](const LoopView& view) { return metrics.render(view); }};
    auto http = http::Server::listen(context, options.http_listen, [&](const http::Request& request) {
        return answer(loop.view(), request, sources);
    });
    if (!http) return http.error();

    log.info("keeper_started",
             loaded->fresh ? "no state file: this data folder counts as a new incarnation" : "goes on",
             {{"version", PGAF_VERSION},
              {"incarnation", loaded->promise.incarnation},
              {"epoch", loaded->promise.promised.epoch},
              {"http", options.http_listen}});
    boost::asio::signal_set signals(context, SIGTERM, SIGINT, SIGHUP);
    stop_on_signals(signals, loop, arguments, log);
    Result<> outcome;
    boost::asio::co_spawn(context, loop.run(*loaded), [&](std::exception_ptr broken, Result<> result) {
        if (broken) std::rethrow_exception(broken);
        outcome = std::move(result);
        context.stop();
    });
    context.run();
    return outcome;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "rules") {
        std::cout << rules_text();
        return 0;
    }
    auto start = config::start(program(), argc, argv);
    if (!start.config) return start.finish();
    // A peer that goes away while it is written to is that peer's business.
    std::signal(SIGPIPE, SIG_IGN);
    Options options = options_from(*start.config);
    set_log_level(options.log_level);
    const auto served = serve(std::move(options), {argc, argv});
    if (served) return 0;
    std::cerr << "pgaf-keeper: " << served.error().message << '\n';
    return 1;
}
