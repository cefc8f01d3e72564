#include "keeper/postgres/session_probe.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "keeper/postgres/connection.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Each costs the server a fork.
constexpr milliseconds interval{5000};
constexpr milliseconds retry{500};
constexpr Millis attempt_limit{5000};

}  // namespace

struct SessionProbe::Shared : std::enable_shared_from_this<Shared> {
    Shared(asio::any_io_executor on, std::string text)
        : strand(std::move(on)), conninfo(std::move(text)), connection(strand), pause(strand) {}

    asio::awaitable<void> probe_for_ever() {
        const auto self = shared_from_this();
        while (postmaster != 0) {
            const pid_t asked = postmaster;
            const auto began = Clock::now();
            const auto opened = co_await connection.open(conninfo, attempt_limit);
            const bool answered = opened || !connection.sqlstate().empty();
            connection.close();
            // What another server did says nothing of this one.
            if (asked != postmaster) continue;
            if (answered) waited = milliseconds(0);
            error = answered ? "" : opened.error().message;
            boost::system::error_code ignored;
            pause.expires_after(answered ? interval : retry);
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            if (asked != postmaster || answered) continue;
            const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
            waited += std::min(took, milliseconds(attempt_limit.v) + retry);
        }
        running = false;
    }

    const asio::any_io_executor strand;
    const std::string conninfo;
    Connection connection;
    asio::steady_timer pause;
    pid_t postmaster = 0;
    bool running = false;
    /// Of attempts without an answer, one after the other.
    milliseconds waited{0};
    std::string error;
};

SessionProbe::SessionProbe(asio::any_io_executor strand, std::string conninfo, Millis limit)
    : shared_(std::make_shared<Shared>(std::move(strand), std::move(conninfo))), limit_(limit) {}

SessionProbe::~SessionProbe() {
    watch(0);
}

void SessionProbe::watch(pid_t postmaster) {
    Shared& s = *shared_;
    if (s.postmaster == postmaster) return;
    s.postmaster = postmaster;
    s.waited = milliseconds(0);
    s.error.clear();
    s.connection.close();
    s.pause.cancel();
    if (postmaster == 0 || std::exchange(s.running, true)) return;
    asio::co_spawn(
        s.strand, [](std::shared_ptr<Shared> shared) { return shared->probe_for_ever(); }(shared_), asio::detached);
}

std::string SessionProbe::trouble() const {
    if (shared_->waited < milliseconds(limit_.v)) return {};
    return "no new session for " + std::to_string(shared_->waited.count() / 1000) + " s: " + shared_->error;
}

}  // namespace pgaf::keeper
