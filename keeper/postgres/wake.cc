#include "keeper/postgres/wake.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pgaf::keeper {
namespace asio = boost::asio;

void Bell::ring() {
    ++rings_;
    for (asio::steady_timer* timer : waiting_) timer->cancel();
}

asio::awaitable<void> Bell::wait(std::uint64_t seen, Millis limit) {
    if (rings_ > seen) co_return;
    asio::steady_timer timer(strand_, std::chrono::milliseconds(limit.v));
    struct Entry {
        std::list<asio::steady_timer*>& list;
        std::list<asio::steady_timer*>::iterator at;
        ~Entry() { list.erase(at); }
    } entry{waiting_, waiting_.insert(waiting_.end(), &timer)};
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

struct FolderWatch::Impl : std::enable_shared_from_this<FolderWatch::Impl> {
    Impl(asio::any_io_executor strand, Bell& rung) : stream(std::move(strand)), bell(&rung) {}

    void read() {
        stream.async_read_some(asio::buffer(buffer),
                               [self = shared_from_this()](boost::system::error_code ec, std::size_t) {
                                   if (ec || self->bell == nullptr) return;
                                   self->bell->ring();
                                   self->read();
                               });
    }

    asio::posix::stream_descriptor stream;
    Bell* bell;
    alignas(inotify_event) char buffer[4096] = {};
};

FolderWatch::FolderWatch(asio::any_io_executor strand, const std::string& folder, Bell& bell)
    : impl_(std::make_shared<Impl>(std::move(strand), bell)) {
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) return;
    impl_->stream.assign(fd);
    if (::inotify_add_watch(fd, folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) return;
    impl_->read();
}

FolderWatch::~FolderWatch() {
    impl_->bell = nullptr;
    boost::system::error_code ignored;
    impl_->stream.close(ignored);
}

}  // namespace pgaf::keeper
