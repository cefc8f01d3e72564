// pgaf-monitor: reads its options, opens its store, serves until it is told to stop. Exit codes: 0 stopped by a signal,
// 1 could not start or go on, 2 bad options.
#include <csignal>
#include <iostream>
#include <string_view>

#include "monitor/app.h"
#include "monitor/fsm/table.h"
#include "monitor/options.h"
#include "monitor/store/sqlite_store.h"

namespace {

using namespace pgaf;
using namespace pgaf::monitor;

/// The command line, to read the configuration anew, and what holds of it.
struct Configured {
    int count;
    char** arguments;
    config::Config running;
};

/// SIGHUP. Settings of clusters are not among what can change: those of clusters that exist are pgafctl's.
void reload(Configured& configured) {
    const auto start = config::start(program(), configured.count, configured.arguments);
    if (!start.config) return Log{}.error("reload_failed", "the configuration stays as it was: " + start.err);
    const auto news = config::reload(configured.running, *start.config, {"log_level"});
    configured.running = news.running;
    set_log_level(options_from(news.running).log_level);
    Log{}.write(news.left.empty() ? LogLevel::info : LogLevel::warning, "reloaded", news.text());
}

Result<void> serve(const Options& options, Configured configured) {
    auto store = open_sqlite_store(options.store);
    if (!store) return store.error();
    auto app = App::start(options.app, std::move(*store));
    if (!app) return app.error();
    (*app)->take_signals([&configured] { reload(configured); });
    return (*app)->run();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "rules") {
        std::cout << fsm::table_text();
        return 0;
    }
    auto start = config::start(program(), argc, argv);
    if (!start.config) return start.finish();
    // A client that goes away while it is written to is that client's business.
    std::signal(SIGPIPE, SIG_IGN);
    const auto options = options_from(*start.config);
    set_log_level(options.log_level);
    const auto served = serve(options, {argc, argv, *start.config});
    if (served) return 0;
    std::cerr << "pgaf-monitor: " << served.error().message << '\n';
    return 1;
}
