#include "monitor/http/feed.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "monitor/http/documents.h"
#include "monitor/service/messages.h"

namespace pgaf::monitor {

namespace asio = boost::asio;
using Json = nlohmann::ordered_json;

namespace {

/// Events that one message to the clients carries at most; the rest follows in the next ones.
constexpr std::uint32_t batch = 64;
/// A browser whose stream has ended asks again after this long.
constexpr auto retry = "retry: 2000\n\n";

std::string block(const char* type, const Json& data) {
    // JSON has no line breaks in it, so it is one line of data.
    return std::string("event: ") + type + "\ndata: " + data.dump() + "\n\n";
}
std::string event_block(const Event& event) {
    return "id: " + std::to_string(event.seq) + "\n" + block("event", event_document(event));
}

/// What is known of the monitor itself.
struct Life {
    bool decides = false;
    std::vector<ClusterName> clusters;
};
std::string life_block(const Life& life) {
    Json names = Json::array();
    for (const ClusterName& name : life.clusters) names.push_back(name.v);
    return block("alive", {{"decides", life.decides}, {"clusters", names}});
}

/// What has changed of a cluster.
struct News {
    StateView state;
    std::vector<Event> events;
};

}  // namespace

/// The part on the strand: looks at clusters, and tells the clients' thread when it has asked and something is new.
class Feed::Strand : public std::enable_shared_from_this<Feed::Strand> {
  public:
    Strand(asio::io_context& context, Post post, Coordinator& coordinator)
        : post_(std::move(post)), context_(context), coordinator_(coordinator) {}

    // From the clients' thread.
    void connect(const std::shared_ptr<Clients>& clients) { clients_ = clients; }
    void want(const ClusterName& cluster);
    void forget(const ClusterName& cluster);
    void ask_for_life();

    // On the strand.
    [[nodiscard]] const Coordinator& coordinator() const { return coordinator_; }
    [[nodiscard]] Life life() const { return {coordinator_.deciding(), coordinator_.names()}; }
    void watch(const ClusterName& cluster);

  private:
    struct Watch final : Watcher {
        Watch(Strand& its_strand, ClusterName its_cluster)
            : strand(its_strand),
              cluster(std::move(its_cluster)),
              last_event(strand.coordinator_.last_event(cluster)) {}
        void changed() override {
            dirty = true;
            publish();
        }
        void publish();
        Strand& strand;
        ClusterName cluster;
        std::uint64_t last_event;
        bool wanted = true;
        bool dirty = false;
    };

    template <class F>
    void tell(F what) {
        asio::post(context_, [clients = clients_, what = std::move(what)] {
            if (const auto alive = clients.lock()) what(*alive);
        });
    }

    Post post_;
    asio::io_context& context_;
    Coordinator& coordinator_;
    std::weak_ptr<Clients> clients_;
    std::map<ClusterName, std::unique_ptr<Watch>> watches_;
};

/// The part on the HTTP thread: the open streams.
class Feed::Clients : public std::enable_shared_from_this<Feed::Clients> {
  public:
    Clients(asio::io_context& context, std::shared_ptr<Strand> strand, FeedTimes times)
        : context_(context), strand_(std::move(strand)), times_(times), life_timer_(context) {}

    void add(const Beginning& beginning, std::shared_ptr<http::Stream> stream);
    void deliver(const ClusterName& cluster, const News& news);
    void deliver(const Life& life);

  private:
    struct Client {
        StreamKind kind;
        std::uint64_t last_event;
        std::shared_ptr<http::Stream> stream;
    };
    struct Group {
        explicit Group(asio::io_context& context) : pause(context) {}
        asio::steady_timer pause;
        std::vector<Client> clients;
    };

    /// Forgets the streams that are over. False: nobody looks at this cluster any more.
    bool prune(Group& group);
    void ask_again_later(const ClusterName& cluster, Group& group);
    void next_life();

    asio::io_context& context_;
    std::shared_ptr<Strand> strand_;
    FeedTimes times_;
    std::map<ClusterName, Group> groups_;
    asio::steady_timer life_timer_;
    bool lives_ = false;
};

// ---- on the strand --------------------------------------------------------------------------------------------------

void Feed::Strand::want(const ClusterName& cluster) {
    post_([self = shared_from_this(), cluster] {
        const auto found = self->watches_.find(cluster);
        if (found == self->watches_.end()) return;
        found->second->wanted = true;
        found->second->publish();
    });
}

void Feed::Strand::forget(const ClusterName& cluster) {
    post_([self = shared_from_this(), cluster] {
        const auto found = self->watches_.find(cluster);
        if (found == self->watches_.end()) return;
        self->coordinator_.unwatch(cluster, *found->second);
        self->watches_.erase(found);
    });
}

void Feed::Strand::ask_for_life() {
    post_([self = shared_from_this()] {
        self->tell([life = self->life()](Clients& clients) { clients.deliver(life); });
    });
}

void Feed::Strand::watch(const ClusterName& cluster) {
    if (watches_.contains(cluster)) return;
    auto watch = std::make_unique<Watch>(*this, cluster);
    coordinator_.watch(cluster, *watch);
    watches_.emplace(cluster, std::move(watch));
}

void Feed::Strand::Watch::publish() {
    if (!wanted || !dirty) return;
    const fsm::Heart* heart = strand.coordinator_.find(cluster);
    if (!heart) return;
    News news{state_view(strand.coordinator_, *heart), {}};
    // The coordinator knows the newest event, so the store is asked only when there is one.
    if (strand.coordinator_.last_event(cluster) > last_event) {
        auto found = strand.coordinator_.events(
            {.cluster = cluster, .after = last_event, .since_unix_ms = 0, .limit = batch, .newest = false});
        // A store that can't be read ends the monitor at its next decision; what is new here is the state.
        if (found) news.events = std::move(*found);
        last_event = news.events.size() == batch ? news.events.back().seq : strand.coordinator_.last_event(cluster);
    }
    wanted = false;
    dirty = strand.coordinator_.last_event(cluster) > last_event;
    strand.tell([name = cluster, news = std::move(news)](Clients& clients) { clients.deliver(name, news); });
}

// ---- on the HTTP thread ---------------------------------------------------------------------------------------------

void Feed::Clients::add(const Beginning& beginning, std::shared_ptr<http::Stream> stream) {
    auto& group = groups_.try_emplace(beginning.cluster, context_).first->second;
    group.clients.push_back({beginning.kind, beginning.last_event, std::move(stream)});
    if (!std::exchange(lives_, true)) next_life();
}

bool Feed::Clients::prune(Group& group) {
    std::erase_if(group.clients, [](const Client& client) { return client.stream->over(); });
    return !group.clients.empty();
}

void Feed::Clients::deliver(const ClusterName& cluster, const News& news) {
    const auto found = groups_.find(cluster);
    if (found == groups_.end() || !prune(found->second)) {
        if (found != groups_.end()) groups_.erase(found);
        return strand_->forget(cluster);
    }
    const auto state = std::make_shared<const std::string>(block("state", state_document(news.state)));
    std::vector<std::pair<std::uint64_t, http::Stream::Chunk>> events;
    for (const Event& event : news.events)
        events.emplace_back(event.seq, std::make_shared<const std::string>(event_block(event)));
    for (Client& client : found->second.clients) {
        for (const auto& [seq, chunk] : events) {
            if (seq <= client.last_event) continue;
            client.last_event = seq;
            client.stream->send(chunk);
        }
        if (client.kind == StreamKind::cluster) client.stream->send(state);
    }
    ask_again_later(cluster, found->second);
}

void Feed::Clients::ask_again_later(const ClusterName& cluster, Group& group) {
    group.pause.expires_after(times_.between_states);
    group.pause.async_wait([weak = weak_from_this(), cluster](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (!ec && self) self->strand_->want(cluster);
    });
}

/// Signs of life come from the strand: when it stands still the streams fall silent, and who looks at them sees that.
void Feed::Clients::next_life() {
    life_timer_.expires_after(times_.alive);
    life_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (!ec && self) self->strand_->ask_for_life();
    });
}

void Feed::Clients::deliver(const Life& life) {
    const auto told = std::make_shared<const std::string>(life_block(life));
    static const auto comment = std::make_shared<const std::string>(": alive\n\n");
    for (auto entry = groups_.begin(); entry != groups_.end();) {
        if (!prune(entry->second)) {
            strand_->forget(entry->first);
            entry = groups_.erase(entry);
            continue;
        }
        for (const Client& client : entry->second.clients)
            client.stream->send(client.kind == StreamKind::events ? comment : told);
        ++entry;
    }
    lives_ = !groups_.empty();
    if (lives_) next_life();
}

// ---- both -----------------------------------------------------------------------------------------------------------

Feed::Feed(asio::io_context& context, Post post, Coordinator& coordinator, FeedTimes times)
    : strand_(std::make_shared<Strand>(context, std::move(post), coordinator)),
      clients_(std::make_shared<Clients>(context, strand_, times)) {
    strand_->connect(clients_);
}
Feed::~Feed() = default;

Feed::Beginning Feed::begin(StreamKind kind, const ClusterName& cluster, const std::vector<Event>& first, bool gap) {
    Beginning beginning{kind, cluster, 0, retry};
    if (kind != StreamKind::events) beginning.text += life_block(strand_->life());
    if (kind == StreamKind::monitor) return beginning;
    strand_->watch(cluster);
    beginning.last_event = strand_->coordinator().last_event(cluster);
    if (kind == StreamKind::cluster) {
        if (const fsm::Heart* heart = strand_->coordinator().find(cluster))
            beginning.text += block("state", state_document(state_view(strand_->coordinator(), *heart)));
    }
    if (gap) beginning.text += block("gap", Json::object());
    for (const Event& event : first) beginning.text += event_block(event);
    return beginning;
}

std::shared_ptr<http::Stream> Feed::open(Beginning beginning) {
    auto stream = std::make_shared<http::Stream>();
    clients_->add(beginning, stream);
    stream->send(std::move(beginning.text));
    return stream;
}

}  // namespace pgaf::monitor
