// Changes the promise, one change after the other, each durable before it counts (R2). The disk's time is spent on a
// thread of its own, so a disk that stalls does not stop heartbeats. All calls on the keeper's one strand.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>

#include "keeper/postgres/wake.h"
#include "keeper/reconcile/promise.h"
#include "keeper/service/state_file.h"

namespace pgaf::keeper {

class PromiseKeeper {
  public:
    /// `file` outlives this.
    PromiseKeeper(boost::asio::any_io_executor strand, const StateFile& file, Promise promise);

    /// The newest durable promise.
    [[nodiscard]] const Promise& now() const { return promise_; }
    /// A change is being written.
    [[nodiscard]] bool busy() const { return busy_; }

    /// What the newest promise should become; nothing: no change.
    using Change = std::function<std::optional<Promise>(const Promise&)>;
    /// `change` is asked when every change before it is durable; true when it made one. On an error nothing has
    /// changed.
    boost::asio::awaitable<Result<bool>> change(Change change);

  private:
    const StateFile& file_;
    Promise promise_;
    bool busy_ = false;
    Bell free_;
    boost::asio::thread_pool disk_{1};
};

}  // namespace pgaf::keeper
