// Waiting for something to happen instead of looking again and again: a bell that others ring, and a file whose changes
// ring it. Knows nothing of PostgreSQL.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "common/ids.h"

namespace pgaf::keeper {

/// All on one strand. A ring between two waits is not lost: the waiter says up to which ring it has looked.
class Bell {
  public:
    explicit Bell(boost::asio::any_io_executor strand) : strand_(std::move(strand)) {}
    [[nodiscard]] std::uint64_t rings() const { return rings_; }
    void ring();
    /// Until the bell has rung more often than `seen`, or `limit` has passed.
    boost::asio::awaitable<void> wait(std::uint64_t seen, Millis limit);

  private:
    boost::asio::any_io_executor strand_;
    std::uint64_t rings_ = 0;
    std::list<boost::asio::steady_timer*> waiting_;
};

/// Rings a bell whenever a file in `folder` was written to, made or renamed (inotify). Without inotify (limits of the
/// system used up) it never rings, so whoever waits keeps a limit.
class FolderWatch {
  public:
    FolderWatch(boost::asio::any_io_executor strand, const std::string& folder, Bell& bell);
    ~FolderWatch();
    FolderWatch(const FolderWatch&) = delete;
    FolderWatch& operator=(const FolderWatch&) = delete;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace pgaf::keeper
