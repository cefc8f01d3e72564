// Live streams of the HTTP side: server-sent events with the state of a cluster, its events, and a sign of life. What
// is shown is made once for all who look, however many they are, and no more often than they can use; so the strand has
// the same little work with one client as with many.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/http/stream.h"
#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace boost::asio {
class io_context;
}

namespace pgaf::monitor {

struct FeedTimes {
    /// At least so long between two states of a cluster. Nothing is sent, and nothing asked for, while nothing changes.
    std::chrono::milliseconds between_states{100};
    /// A stream says so often that it, and the monitor behind it, are there.
    std::chrono::milliseconds alive{2000};
};

enum class StreamKind {
    monitor,  ///< signs of life alone
    cluster,  ///< those, the state of a cluster and its events
    events,   ///< a cluster's events alone; the sign of life is a comment
};

class Feed {
  public:
    /// Where a new stream begins. Made on the strand.
    struct Beginning {
        StreamKind kind = StreamKind::monitor;
        ClusterName cluster;
        std::uint64_t last_event = 0;
        std::string text;
    };

    Feed(boost::asio::io_context& context, Post post, Coordinator& coordinator, FeedTimes times);
    ~Feed();

    /// On the strand. `first`: the events that the stream begins with, the oldest first, up to the newest one.
    /// `gap`: there may be events between those that the client has and these.
    [[nodiscard]] Beginning begin(StreamKind kind, const ClusterName& cluster, const std::vector<Event>& first,
                                  bool gap);
    /// On the thread of the io_context, after begin(), in the same request.
    [[nodiscard]] std::shared_ptr<http::Stream> open(Beginning beginning);

  private:
    class Strand;
    class Clients;
    std::shared_ptr<Strand> strand_;
    std::shared_ptr<Clients> clients_;
};

}  // namespace pgaf::monitor
