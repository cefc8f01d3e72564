// Real servers behind real launchers, each driven by a PostgresControl as the keeper's loop would drive it; no monitor.
// The test itself decides what happens. Every wait has a limit and every process of the test is gone at its end.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "keeper/postgres/make.h"
#include "keeper/postgres/postgres_control.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

struct pg_conn;

namespace pgaf::test {

/// A session with a server under test, blocking.
class Sql {
  public:
    /// `conninfo` as libpq has it.
    explicit Sql(const std::string& conninfo);
    ~Sql();
    Sql(Sql&& other) noexcept;
    Sql(const Sql&) = delete;
    Sql& operator=(const Sql&) = delete;

    /// The first value of the answer; throws on an error.
    std::string ask(const std::string& sql);
    /// Sends it and does not wait.
    void send(const std::string& sql);
    /// Whether the answer to what was sent is there, within the limit.
    bool answered(int limit_ms);
    [[nodiscard]] int backend() const;
    std::vector<std::string> notices;

  private:
    pg_conn* connection_;
};

class Cluster;

struct TestNode {
    NodeName name;
    IncarnationId incarnation;
    std::uint16_t port = 0;
    std::string dir;
    keeper::PostgresConfig config;
    Child launcher;
    std::unique_ptr<keeper::PostgresControl> control;
    std::vector<std::string> progress;
    int changes = 0;

    [[nodiscard]] std::string data(const std::string& file) const { return config.data_dir + "/" + file; }
    /// pid in the first line of postmaster.pid.
    [[nodiscard]] pid_t postmaster() const;
    [[nodiscard]] Sql sql(const std::string& more = "") const;
    std::string ask(const std::string& query) const { return sql().ask(query); }
    /// The first process of this server that pg_stat_activity shows with that backend_type; 0: none.
    [[nodiscard]] pid_t process(const std::string& backend_type) const;
};

class Cluster {
  public:
    /// Nodes node1, node2, ... with launchers and nothing else.
    explicit Cluster(int nodes);
    ~Cluster();

    TestNode& operator[](int number) { return *nodes_.at(static_cast<std::size_t>(number - 1)); }
    /// node1 initialised, started, under rule (0, {}), open; the others cloned and streaming from it.
    void bring_up();
    /// The same, with all standbys in the rule (k, all).
    void bring_up_synchronous(std::uint32_t k);

    Result<> perform(TestNode& node, keeper::Step step, int limit_ms = 60'000);
    /// perform() that is cancelled after a time; `then` is called once it was, before the wait for its end.
    Result<> perform_cancelled(TestNode& node, keeper::Step step, int after_ms, const std::function<void()>& then = {});
    keeper::Facts facts(TestNode& node);
    /// Observes again and again until the condition holds.
    bool until(TestNode& node, const std::function<bool(const keeper::Facts&)>& condition, int limit_ms = 20'000);
    /// As if the keeper had been killed and started again.
    void restart_keeper(TestNode& node);

    [[nodiscard]] keeper::Layout layout(const TestNode& node) const;
    [[nodiscard]] NamedRule rule(std::uint32_t k, const std::vector<const TestNode*>& members);
    void clone_and_start(TestNode& node, const TestNode& from);
    bool until_streaming(TestNode& primary, const TestNode& standby);

    boost::asio::io_context io;

  private:
    void run_until(const std::function<bool()>& done, int limit_ms);

    TempDir dir_{roomy_parent()};
    std::vector<std::unique_ptr<TestNode>> nodes_;
    std::uint64_t last_rule_ = 0;
};

/// A port of 127.0.0.1 that nothing listens on.
[[nodiscard]] std::uint16_t free_port();

/// Milliseconds that something takes.
template <class F>
double milliseconds(F f) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace pgaf::test
