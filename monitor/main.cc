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

pgaf::Result<void> serve(const pgaf::monitor::Options& options) {
    using namespace pgaf::monitor;
    auto store = open_sqlite_store(options.store);
    if (!store) return store.error();
    auto app = App::start(options.app, std::move(*store));
    if (!app) return app.error();
    (*app)->stop_on_signals();
    return (*app)->run();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "rules") {
        std::cout << pgaf::fsm::table_text();
        return 0;
    }
    auto start = pgaf::config::start(pgaf::monitor::program(), argc, argv);
    if (!start.config) return start.finish();
    // A client that goes away while it is written to is that client's business.
    std::signal(SIGPIPE, SIG_IGN);
    const auto options = pgaf::monitor::options_from(*start.config);
    pgaf::set_log_level(options.log_level);
    const auto served = serve(options);
    if (served) return 0;
    std::cerr << "pgaf-monitor: " << served.error().message << '\n';
    return 1;
}
