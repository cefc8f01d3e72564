// pgaf-keeper: reads its options, takes up its promise, and keeps PostgreSQL what the monitor wants it to be. SIGTERM
// ends the keeper and nothing else. Exit codes: 0 ended by a signal, 1 could not start or go on, 2 bad options.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <functional>
#include <iostream>
#include <optional>
#include <string_view>

#include "common/http/server.h"
#include "keeper/http/metrics.h"
#include "keeper/http/routes.h"
#include "keeper/options.h"
#include "keeper/postgres/passwords.h"
#include "keeper/reconcile/reconcile.h"

namespace {

using namespace pgaf;
using namespace pgaf::keeper;

/// The command line, to read the configuration anew, and what holds of it.
struct Configured {
    int count;
    char** arguments;
    config::Config running;
};

/// PostgreSQL logs in to its upstream with what stands there: a password that is new must not wait for the next step.
void renew_passfile(const PostgresConfig& config, const Log& log) {
    if (const auto done = write_passfile(config); !done) log.error("password_not_renewed", done.error().message);
}

/// SIGHUP: `take` is given what can change while the keeper runs.
void reload(Configured& configured, const std::function<void(const Options&)>& take, const Log& log) {
    const auto start = config::start(program(), configured.count, configured.arguments);
    if (!start.config) return log.error("reload_failed", "the configuration stays as it was: " + start.err);
    renew_passfile(options_from(configured.running).postgres, log);
    const auto news = config::reload(configured.running, *start.config, {"log_level", "stats_interval_ms", "tags"});
    configured.running = news.running;
    if (!news.taken.empty()) take(options_from(news.running));
    if (news.left.empty()) return log.info("reloaded", news.text());
    log.warning("reloaded", news.text() + ", while PostgreSQL runs on");
}

void on_signals(boost::asio::signal_set& signals, const std::function<void()>& hang_up,
                const std::function<void()>& stop) {
    signals.async_wait([&signals, hang_up, stop](const boost::system::error_code& cancelled, int number) {
        if (cancelled) return;
        if (number != SIGHUP) return stop();
        hang_up();
        on_signals(signals, hang_up, stop);
    });
}

Result<> serve(Options options, Configured configured) {
    const Log log = options.loop.log;
    auto file = StateFile::open(options.postgres.state_dir, options.postgres.cluster, options.postgres.node);
    if (!file) return file.error();
    const auto loaded = file->load();
    if (!loaded) return loaded.error();
    renew_passfile(options.postgres, log);

    boost::asio::io_context context{1};
    auto session = MonitorSession::make(context.get_executor(), options.session);
    if (!session) return session.error();
    const auto control = make_postgres_control(options.postgres, context.get_executor());
    StatsReader stats(context.get_executor(), options.postgres, options.stats_interval);
    Metrics metrics({[&] { return stats.stats(); }, [&] { return control->disk_space(); }});
    options.loop.on_answer = [&](std::chrono::nanoseconds after) { metrics.answered(after); };
    options.loop.on_rest = [&](bool yes) { stats.at_rest(yes); };
    Loop loop(context.get_executor(), *control, **session, *file, options.loop);
    Sources sources{options.tags, [&](const LoopView& view) { return metrics.render(view); }};
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
    const auto take = [&](const Options& news) {
        set_log_level(news.log_level);
        if (news.stats_interval != options.stats_interval) stats.every(news.stats_interval);
        options.stats_interval = news.stats_interval;
        sources.tags = news.tags;
    };
    on_signals(
        signals, [&] { reload(configured, take, log); },
        [&] {
            log.info("keeper_stops", "the keeper ends; PostgreSQL is left as it is");
            loop.stop();
        });
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
    const auto served = serve(std::move(options), {argc, argv, *start.config});
    if (served) return 0;
    std::cerr << "pgaf-keeper: " << served.error().message << '\n';
    return 1;
}
