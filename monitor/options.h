// What pgaf-monitor can be told: the table of its options, and what it makes of them.
#pragma once

#include "common/config.h"
#include "common/log.h"
#include "monitor/app.h"
#include "monitor/store/sqlite_store.h"

namespace pgaf::monitor {

[[nodiscard]] config::Program program();

struct Options {
    AppOptions app;
    SqliteOptions store;
    LogLevel log_level = LogLevel::info;
};
[[nodiscard]] Options options_from(const config::Config& config);

}  // namespace pgaf::monitor
