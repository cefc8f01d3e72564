#include "tests/load/servers.h"

#include "tests/load/hosts.h"

namespace pgaf::load {
namespace {

Result<Reached> reach(const Host& host, Clock::time_point deadline, const StopSwitch& stop) {
    for (;;) {
        auto session = Session::connect(host, milliseconds(2000), stop);
        if (session.has_value()) {
            auto recovery = session.value().value("SELECT pg_is_in_recovery()", statement_limit);
            if (recovery.has_error()) return recovery.error();
            Reached server{std::move(session.value())};
            server.primary = recovery.value() == "f";
            return server;
        }
        if (Clock::now() >= deadline || stop.wait_until(Clock::now() + milliseconds(100))) return session.error();
    }
}

/// Waits until a standby has replayed what the primary had written by now.
Result<> catch_up(Reached& standby, const std::string& lsn, Clock::time_point deadline, const StopSwitch& stop) {
    for (;;) {
        auto reached = standby.session.value(
            "SELECT coalesce(pg_last_wal_replay_lsn() >= '" + lsn + "'::pg_lsn, false)", statement_limit);
        if (reached.has_error()) return reached.error();
        if (reached.value() == "t") return {};
        if (Clock::now() >= deadline || stop.wait_until(Clock::now() + milliseconds(20)))
            return error(standby.session.server() + " did not replay the primary's WAL up to " + lsn + " in time");
    }
}

}  // namespace

Result<std::vector<Reached>> reach_all(const std::string& uri, std::int64_t limit_s, const StopSwitch& stop) {
    auto hosts = hosts_of(uri, "any");
    if (hosts.has_error()) return hosts.error();
    const Clock::time_point deadline = Clock::now() + std::chrono::seconds(limit_s);
    std::vector<Reached> servers;
    for (const Host& host : hosts.value()) {
        auto server = reach(host, deadline, stop);
        if (server.has_error()) return server.error();
        servers.push_back(std::move(server.value()));
    }
    std::string lsn;
    for (Reached& server : servers) {
        if (!server.primary) continue;
        auto position = server.session.value("SELECT pg_current_wal_lsn()", statement_limit);
        if (position.has_error()) return position.error();
        lsn = position.value();
    }
    for (Reached& server : servers) {
        if (server.primary || lsn.empty()) continue;
        if (auto caught = catch_up(server, lsn, deadline, stop); caught.has_error()) return caught.error();
    }
    return servers;
}

}  // namespace pgaf::load
