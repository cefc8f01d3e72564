// Stand-ins for PostgreSQL and for the monitor, so that the loop can be watched: a small model of a server that does
// what its steps say, and a link that keeps what it was given.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keeper/postgres/postgres_control.h"
#include "keeper/postgres/wake.h"
#include "keeper/service/link.h"
#include "keeper/service/loop.h"
#include "keeper/service/state_file.h"

namespace pgaf::keeper::test {

struct TempFolder {
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    std::filesystem::path path;
};

class FakeControl : public PostgresControl {
  public:
    explicit FakeControl(boost::asio::any_io_executor strand) : bell_(std::move(strand)) {}

    Async<Facts> observe(bool mark) override;
    Async<Result<>> perform(const Step& step, std::function<void(std::string)> progress) override;
    void on_change(std::function<void()> callback) override { callback_ = std::move(callback); }
    Async<Result<>> let_go() override;
    Async<Result<>> hold_deadline(Millis until) override {
        deadlines.push_back(until);
        co_return Result<>{};
    }
    void peers_at(std::map<NodeName, Lsn> positions) override { peers = std::move(positions); }
    void follow_node_timeout(Millis limit) override { node_timeout = limit; }
    [[nodiscard]] bool reads_wal() const override { return reading; }
    bool reading = false;
    Millis node_timeout;

    /// Tells the loop, as the launcher's events do.
    void change() {
        if (callback_) callback_();
    }
    /// The step of this name does not end before release(), or before it is cancelled.
    void hold(const std::string& step) { held_.insert(step); }
    void release();
    void exit_now();

    Facts facts;
    /// Every step begun, with " cancelled" or " failed" behind it.
    std::vector<std::string> steps;
    /// Steps of this name fail with a message.
    std::map<std::string, std::string> failing;
    /// Called as a step begins.
    std::function<void(const Step&)> on_step;
    std::map<NodeName, Lsn> peers;
    int looks = 0;
    /// Of these a WAL message was written with.
    int marks = 0;
    /// What the launcher was told (R8).
    std::vector<Millis> deadlines;
    Millis slow_look{1};
    int let_gos = 0;

  private:
    void carry_out(const Step& step);
    Bell bell_;
    std::set<std::string> held_;
    std::function<void()> callback_;
};

class FakeLink : public Link {
  public:
    void listen(Receiver receiver) override { to = std::move(receiver); }
    void open(const Hello& hello) override {
        hellos.push_back(hello);
        to.opened();
    }
    void send(const Report& report) override;
    void send(const ProbeResult& result) override { results.push_back(result); }
    boost::asio::awaitable<void> close() override {
        closed = true;
        co_return;
    }
    [[nodiscard]] const Report& last() const { return reports.back(); }

    Receiver to;
    /// Acknowledges each report, as a monitor that is in reach does.
    bool acknowledges = true;
    /// The monitor names this node as the primary.
    bool carries_lease = true;
    bool in_doubt = false;
    Millis heartbeat{50};
    Millis node_timeout{250};
    std::vector<Hello> hellos;
    std::vector<Report> reports;
    std::vector<ProbeResult> results;
    bool closed = false;
};

/// A loop with its fakes, on an io_context of its own.
class Bench {
  public:
    explicit Bench(Millis heartbeat = Millis{50});
    ~Bench();

    /// Begins; `promise`: what the state file holds.
    void start(std::optional<Promise> promise = std::nullopt);
    /// Lets time pass until the condition holds; false when it has not within the limit.
    bool until(const std::function<bool()>& condition, int limit_ms = 5000);
    void pass(int ms);
    /// The monitor says this; what is not set is filled in.
    void say(Goal goal);
    /// Goals of this node, with the next version.
    Goal goal(Role role, std::uint64_t epoch = 1);
    [[nodiscard]] Promise on_disk() const;
    [[nodiscard]] bool did(const std::string& step) const;

    TempFolder folder;
    boost::asio::io_context context{1};
    FakeControl control{context.get_executor()};
    FakeLink link;
    StateFile file;
    LoopOptions options;
    std::optional<Loop> loop;
    std::optional<Result<>> outcome;
    std::uint64_t version = 0;
};

/// A standby of node1 in its data folder: facts and promise that fit.
void make_standby(Bench& bench, Promise& promise, PgStatus status);

}  // namespace pgaf::keeper::test
