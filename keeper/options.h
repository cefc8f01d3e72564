// What pgaf-keeper can be told: the table of its options, and what it makes of them.
#pragma once

#include "common/config.h"
#include "common/log.h"
#include "keeper/postgres/make.h"
#include "keeper/service/loop.h"
#include "keeper/service/session.h"

namespace pgaf::keeper {

struct Options {
    PostgresConfig postgres;
    SessionOptions session;
    LoopOptions loop;
    std::string http_listen;
    /// The operator's words about this node.
    std::map<std::string, std::string> tags;
    /// Between looks at PostgreSQL's figures for metrics.
    Millis stats_interval;
    LogLevel log_level = LogLevel::info;
};

[[nodiscard]] config::Program program();
/// Of a configuration that program().check has found right.
[[nodiscard]] Options options_from(const config::Config& config);

}  // namespace pgaf::keeper
