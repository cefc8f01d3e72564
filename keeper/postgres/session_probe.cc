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

/// Each session costs the server a fork.
constexpr milliseconds interval{5000};
/// Longer than whoever asks waits: a server that gives sessions slowly gives them.
constexpr Millis attempt_limit{60'000};
/// As much as the time between two questions may count for.
constexpr milliseconds longest_gap{2000};

}  // namespace

struct SessionProbe::Shared {
    Shared(asio::any_io_executor on, std::string text)
        : strand(std::move(on)), conninfo(std::move(text)), connection(strand), pause(strand) {}

    static asio::awaitable<void> probe_for_ever(std::shared_ptr<Shared> self) {
        while (self->postmaster != 0) co_await self->probe();
        self->running = false;
    }
    asio::awaitable<void> probe() {
        const pid_t asked_of = postmaster;
        const auto began = Clock::now();
        waiting = true;
        // Why it failed is for those who need a session.
        (void)co_await connection.open(conninfo, attempt_limit);
        connection.close();
        // What another server did says nothing of this one.
        if (asked_of != postmaster) co_return;
        // What is given up is begun again, and was waited for all the time.
        if (Clock::now() - began >= milliseconds(attempt_limit.v)) co_return;
        waiting = false;
        boost::system::error_code ignored;
        pause.expires_after(interval);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    const asio::any_io_executor strand;
    const std::string conninfo;
    Connection connection;
    asio::steady_timer pause;
    pid_t postmaster = 0;
    bool running = false;
    /// For an answer; how long, as far as trouble() has seen it, and when it was last asked.
    bool waiting = false;
    milliseconds waited{0};
    Clock::time_point asked;
};

SessionProbe::SessionProbe(asio::any_io_executor strand, std::string conninfo)
    : shared_(std::make_shared<Shared>(std::move(strand), std::move(conninfo))) {}

SessionProbe::~SessionProbe() {
    watch(0);
}

void SessionProbe::watch(pid_t postmaster) {
    Shared& s = *shared_;
    if (s.postmaster == postmaster) return;
    s.postmaster = postmaster;
    s.waiting = false;
    s.waited = milliseconds(0);
    s.asked = Clock::now();
    s.connection.close();
    s.pause.cancel();
    if (postmaster == 0 || std::exchange(s.running, true)) return;
    asio::co_spawn(s.strand, Shared::probe_for_ever(shared_), asio::detached);
}

std::string SessionProbe::trouble(Millis limit) {
    Shared& s = *shared_;
    const auto now = Clock::now();
    if (s.waiting)
        s.waited += std::min(std::chrono::duration_cast<milliseconds>(now - s.asked), longest_gap);
    else
        s.waited = milliseconds(0);
    s.asked = now;
    if (s.waited < milliseconds(limit.v)) return {};
    return "no new session for " + std::to_string(s.waited.count() / 1000) + " s";
}

}  // namespace pgaf::keeper
