// The monitor against keepers and operators that send whatever the protocol's types allow: sessions, reports, probes,
// commands, in any order, with time passing and the process restarting. Everything between the wire and the store is
// the production's: wire::from_wire, the coordinator, the heart. What has to hold meanwhile, whatever keepers say: I1
// (one primary told in an epoch), epochs never go back, and the record survives its own storage.
#include <map>
#include <memory>
#include <utility>

#include "common/json.h"
#include "common/wire/convert.h"
#include "monitor/service/coordinator.h"
#include "monitor/service/messages.h"
#include "monitor/service/requests.h"
#include "monitor/store/memory_store.h"
#include "pgaf/v1/keeper.pb.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_session.pb.h"
#include "tests/fuzz/message_mutator.h"

PGAF_FUZZ_MESSAGES(pgaf::fuzz::Story)

namespace pgaf::fuzz {
namespace {

/// More than that only makes it slow.
constexpr int most_events = 200;

/// What was sent over all lives of the monitor.
struct Told {
    std::map<std::pair<ClusterName, Epoch>, std::pair<NodeName, IncarnationId>> primary;
    std::map<std::pair<ClusterName, IncarnationId>, Epoch> newest;
    std::map<ClusterName, Epoch> epoch;
};

class Link : public monitor::KeeperLink {
  public:
    Link(Told& told, ClusterName cluster) : told_(told), cluster_(std::move(cluster)) {}

    void send(const Goal& goal) override {
        const auto read = wire::from_wire(wire::to_wire(goal));
        require(read && *read == goal, "a goal arrives as it was sent");
        if (goal.role == Role::primary) {
            const auto [first, news] =
                told_.primary.try_emplace({cluster_, goal.stamp.epoch}, goal.node, goal.incarnation);
            require(news || first->second == std::pair(goal.node, goal.incarnation), "I1: one primary in an epoch");
        }
        auto& newest = told_.newest[{cluster_, goal.incarnation}];
        require(goal.stamp.epoch >= newest, "epochs of goals never go back");
        newest = goal.stamp.epoch;
    }
    void send(const fsm::ProbeRequest&) override {}
    void turn_away(const std::string& message) override {
        require(!message.empty(), "who is turned away is told why");
        open = false;
    }

    std::uint64_t session = 0;
    bool open = false;

  private:
    Told& told_;
    ClusterName cluster_;
};

class Play {
  public:
    Play() { begin(); }
    ~Play() {
        if (coordinator_) coordinator_->stop();
    }
    Play(const Play&) = delete;
    Play& operator=(const Play&) = delete;

    void event(const Event& event) {
        switch (event.kind_case()) {
            case Event::kHello:
                return hello(event.hello());
            case Event::kReport:
                return report(event.session(), event.report());
            case Event::kProbe:
                return probe(event.session(), event.probe());
            case Event::kClose:
                return close(event.session());
            case Event::kAdvanceMs:
                return advance(Millis{event.advance_ms() % 3'600'000});
            case Event::kOperation:
                return command(event.operation());
            case Event::kSetNode:
                return command(event.set_node());
            case Event::kSetCluster:
                return command(event.set_cluster());
            case Event::kRestart:
                return restart();
            case Event::KIND_NOT_SET:
                return;
        }
    }
    void check() {
        for (const auto& name : coordinator_->names()) {
            const auto& record = coordinator_->find(name)->record();
            auto& epoch = told_.epoch[name];
            require(record.epoch >= epoch, "the record's epoch never goes back");
            epoch = record.epoch;
        }
    }
    void check_end() {
        for (const auto& name : coordinator_->names()) {
            const fsm::Heart& heart = *coordinator_->find(name);
            static_cast<void>(monitor::state_message(*coordinator_, heart));
            const auto& record = heart.record();
            const auto read = from_json<fsm::ClusterRecord>(to_json(record));
            require(read && fsm::to_text(*read) == fsm::to_text(record), "a record survives its storage");
        }
    }

  private:
    void begin() {
        monitor::Coordinator::World world{.store = store_,
                                          .meter = meter_,
                                          .now = [this] { return now_; },
                                          .wake_at = [this](Millis at) { wake_ = at; },
                                          .fatal = [](const std::string& why) { require(false, why); }};
        coordinator_ =
            std::make_unique<monitor::Coordinator>(world, monitor::CoordinatorOptions{}, MonitorId{"00000000000000aa"});
        require(static_cast<bool>(coordinator_->start()), "a store in memory can be read");
    }
    void restart() {
        coordinator_->stop();
        coordinator_.reset();
        links_.clear();
        begin();
    }
    void hello(const v1::Hello& message) {
        const auto hello = wire::from_wire(message);
        if (!hello) return require(!hello.error().message.empty(), "a refusal says why");
        auto link = std::make_unique<Link>(told_, hello->cluster);
        Link& at = *link;
        // The old link stays until the new session has replaced it.
        auto old = std::exchange(links_[hello->node.v], std::move(link));
        at.open = true;
        const auto opened = coordinator_->open(*hello, at);
        if (opened) at.session = *opened;
        at.open = at.open && static_cast<bool>(opened);
        if (old != nullptr && old->open) coordinator_->close(old->session);
    }
    Link* open_link(const std::string& node) {
        const auto found = links_.find(node);
        return found == links_.end() || !found->second->open ? nullptr : found->second.get();
    }
    void report(const std::string& node, const v1::Report& message) {
        Link* link = open_link(node);
        const auto report = wire::from_wire(message);
        if (link == nullptr || !report) return;
        if (!coordinator_->report(link->session, *report)) return close(node);
        if (link->open) static_cast<void>(coordinator_->ack(link->session));
    }
    void probe(const std::string& node, const v1::ProbeResult& message) {
        Link* link = open_link(node);
        const auto result = wire::from_wire(message);
        if (link != nullptr && result) coordinator_->probe_answered(link->session, *result);
    }
    void close(const std::string& node) {
        if (Link* link = open_link(node); link != nullptr) {
            link->open = false;
            coordinator_->close(link->session);
        }
    }
    void advance(Millis duration) {
        const Millis end{now_.v + duration.v};
        for (int ticks = 0; ticks < 50 && wake_ && wake_->v <= end.v; ++ticks) {
            now_ = std::max(now_, *wake_);
            wake_.reset();
            coordinator_->tick();
        }
        now_ = end;
    }
    template <class Request>
    void command(const Request& request) {
        const fsm::Heart* heart = nullptr;
        if (!monitor::find_cluster(*coordinator_, request.cluster(), heart).ok()) return;
        fsm::Command command;
        if (!monitor::read(*heart, request, command).ok()) return;
        const auto id = coordinator_->command(ClusterName{request.cluster()}, command, [](const fsm::Reply& reply) {
            require(!reply.message.empty(), "a command is answered in words");
        });
        coordinator_->forget_command(id);
    }

    Millis now_{10'000};
    std::optional<Millis> wake_;
    monitor::MemoryStore store_{16};
    monitor::Meter meter_;
    Told told_;
    std::map<std::string, std::unique_ptr<Link>> links_;
    std::unique_ptr<monitor::Coordinator> coordinator_;
};

}  // namespace
}  // namespace pgaf::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    pgaf::set_log_level(pgaf::LogLevel::off);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    pgaf::fuzz::Story story;
    if (!story.ParseFromArray(data, static_cast<int>(size))) return 0;
    pgaf::fuzz::Play play;
    int played = 0;
    for (const auto& event : story.events()) {
        if (++played > pgaf::fuzz::most_events) break;
        play.event(event);
        play.check();
    }
    play.check_end();
    return 0;
}
