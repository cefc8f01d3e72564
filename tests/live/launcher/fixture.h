// A launcher with a data folder of its own, and a keeper's client of it. Every wait has a limit and every process of
// the test is gone at its end.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "keeper/postgres/launcher_client.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

struct pg_conn;

namespace pgaf::test {

using keeper::LauncherClient;
using keeper::LauncherEvent;

/// A keeper as far as the launcher knows it: its client, run by hand.
class Keeper {
  public:
    explicit Keeper(const std::string& socket);
    ~Keeper();

    /// Runs the client until the condition holds; false when it does not within the limit.
    bool until(const std::function<bool()>& condition, int limit_ms = 20'000);
    bool until_connected() {
        return until([this] { return client->view().connected; });
    }
    /// Whether an event of this kind has come (or comes) that take() has not taken yet.
    std::optional<LauncherEvent> take(LauncherEvent::Kind kind, int limit_ms = 20'000);

    /// The answer to a request.
    template <class T>
    T answer(boost::asio::awaitable<T> request) {
        std::optional<T> result;
        boost::asio::co_spawn(io, std::move(request), [&](std::exception_ptr failed, T value) {
            if (failed) std::rethrow_exception(failed);
            result = std::move(value);
        });
        if (!until([&] { return result.has_value(); })) throw std::runtime_error("no answer from the launcher");
        return std::move(*result);
    }

    boost::asio::io_context io;
    std::unique_ptr<LauncherClient> client;
    std::vector<LauncherEvent> events;
    /// Called with each event as it comes.
    std::function<void(const LauncherEvent&)> on_event;
};

/// A session with the server under test.
class Session {
  public:
    Session(const std::string& socket_dir, const std::string& options = "");
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    /// The first value of the answer.
    std::string ask(const std::string& sql);
    /// Sends it and does not wait.
    void send(const std::string& sql);
    [[nodiscard]] pid_t backend() const;
    [[nodiscard]] pg_conn* raw() const { return connection_; }

  private:
    pg_conn* connection_;
};

struct LauncherTest {
    LauncherTest() = default;
    ~LauncherTest();

    /// Starts pgaf-launcher on the folder, with more flags.
    void launch(const std::vector<std::string>& flags = {});
    /// launch(), a data folder made by initdb directly, a keeper that is connected.
    void set_up(const std::vector<std::string>& flags = {});
    void make_data();
    std::unique_ptr<Keeper> connect();

    /// Starts PostgreSQL and waits until it takes connections; its pid.
    pid_t start_postgres(const std::vector<std::string>& more = {});
    [[nodiscard]] std::vector<std::string> server_args(const std::vector<std::string>& more = {}) const;
    bool takes_connections();
    std::unique_ptr<Session> session(const std::string& options = "") {
        return std::make_unique<Session>(dir.path(), options);
    }
    /// A session whose backend never looks at anything but its loop, so that it does not notice a lost postmaster.
    std::unique_ptr<Session> busy_session();

    [[nodiscard]] std::vector<pid_t> in_data() const { return processes_in(data); }
    [[nodiscard]] std::string launcher_output() const { return read_text(output); }
    /// Now, or before long.
    [[nodiscard]] bool launcher_says(const std::string& words) const {
        return eventually([&] { return launcher_output().find(words) != std::string::npos; });
    }

    TempDir dir;
    std::string data = dir / "data";
    std::string socket = dir / "run/launcher.sock";
    std::string output = dir / "launcher.out";
    Child launcher;
    std::unique_ptr<Keeper> keeper;
};

}  // namespace pgaf::test
