#include "keeper/service/promise_keeper.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pgaf::keeper {
namespace {

constexpr Millis long_wait{60'000};

}  // namespace

PromiseKeeper::PromiseKeeper(boost::asio::any_io_executor strand, const StateFile& file, Promise promise)
    : file_(file), promise_(std::move(promise)), free_(std::move(strand)) {}

boost::asio::awaitable<Result<bool>> PromiseKeeper::change(Change change) {
    while (busy_) co_await free_.wait(free_.rings(), long_wait);
    const std::optional<Promise> wanted = change(promise_);
    if (!wanted || *wanted == promise_) co_return false;
    busy_ = true;
    const Result<> stored = co_await boost::asio::co_spawn(
        disk_.get_executor(),
        [](const StateFile& file, Promise promise) -> boost::asio::awaitable<Result<>> {
            co_return file.store(promise);
        }(file_, *wanted),
        boost::asio::use_awaitable);
    busy_ = false;
    if (stored) promise_ = *wanted;
    free_.ring();
    if (!stored) co_return stored.error();
    co_return true;
}

}  // namespace pgaf::keeper
