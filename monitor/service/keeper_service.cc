// gRPC's threads only post to the strand: everything in a session happens there, so nothing in it is locked.
#include "monitor/service/keeper_service.h"

#include <grpcpp/alarm.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <optional>

#include "common/wire/convert.h"
#include "monitor/service/cluster_views.h"
#include "pgaf/v1/keeper.grpc.pb.h"

namespace pgaf::monitor {
namespace {

using grpc::StatusCode;

/// A stream that does not say who it is.
constexpr std::chrono::seconds hello_limit{10};
/// Streams that the server holds at once, those that have said nothing yet included.
constexpr int max_streams = 1024;
/// Probes not yet sent; the oldest goes first, since a late look at a node is worth nothing.
constexpr std::size_t max_probes = 16;

class KeeperSession final : public grpc::ServerBidiReactor<v1::KeeperMessage, v1::MonitorMessage>,
                            public KeeperLink,
                            public std::enable_shared_from_this<KeeperSession> {
  public:
    KeeperSession(Post post, Coordinator& coordinator, ClusterViews& views, std::atomic<int>& open, std::string peer)
        : post_(std::move(post)), coordinator_(coordinator), views_(views), open_(open), peer_(std::move(peer)) {
        ++open_;
    }
    ~KeeperSession() override { --open_; }

    void start(std::shared_ptr<KeeperSession> self) {
        self_ = std::move(self);
        post_([this] { begin(); });
    }

    // From gRPC's threads.
    void OnReadDone(bool ok) override {
        post_([this, ok] { ok ? take() : end(grpc::Status::OK); });
    }
    void OnWriteDone(bool ok) override {
        post_([this, ok] { written(ok); });
    }
    void OnDone() override {
        // Nothing of this stream comes after it.
        post_([this] {
            hello_alarm_.Cancel();
            self_.reset();
        });
    }

    // From the coordinator.
    void send(const Goal& goal) override {
        goal_ = goal;  // goals are levels: an older one that was not sent yet means nothing any more
        pump();
    }
    void send(const fsm::ProbeRequest& probe) override {
        if (probes_.size() >= max_probes) probes_.pop_front();
        probes_.push_back(probe);
        pump();
    }
    void turn_away(const std::string& message) override { refuse(StatusCode::FAILED_PRECONDITION, message); }

  private:
    void begin();
    void take();
    void take_hello(const v1::Hello& message);
    void take_report(const v1::Report& message);
    void take_probe_result(const v1::ProbeResult& message);
    void written(bool ok);
    void pump();
    bool fill_next();
    void fill_ack();
    void offer_view();
    void refuse(StatusCode code, const std::string& message);
    void end(const grpc::Status& status);

    Post post_;
    Coordinator& coordinator_;
    ClusterViews& views_;
    std::atomic<int>& open_;
    std::string peer_;
    std::shared_ptr<KeeperSession> self_;
    grpc::Alarm hello_alarm_;

    v1::KeeperMessage in_;
    v1::MonitorMessage out_;
    std::optional<SessionId> session_;
    ClusterName cluster_;
    std::optional<Goal> goal_;
    std::deque<fsm::ProbeRequest> probes_;
    std::optional<std::uint64_t> ack_;
    /// Not sent yet, and the last one that this session was offered.
    std::shared_ptr<const v1::ClusterView> view_;
    std::uint64_t viewed_ = 0;
    /// Set: the stream ends with this once the refusal is written.
    std::optional<grpc::Status> closing_;
    bool refusal_sent_ = true;
    bool writing_ = false;
    bool finished_ = false;
};

void KeeperSession::begin() {
    hello_alarm_.Set(std::chrono::system_clock::now() + hello_limit, [weak = weak_from_this(), post = post_](bool due) {
        if (!due) return;
        post([weak] {
            const auto self = weak.lock();
            if (self && !self->session_)
                self->refuse(StatusCode::DEADLINE_EXCEEDED, "no hello came; is this a pgaf-keeper?");
        });
    });
    StartRead(&in_);
}

void KeeperSession::take() {
    switch (in_.kind_case()) {
        case v1::KeeperMessage::kHello:
            take_hello(in_.hello());
            break;
        case v1::KeeperMessage::kReport:
            take_report(in_.report());
            break;
        case v1::KeeperMessage::kProbeResult:
            take_probe_result(in_.probe_result());
            break;
        case v1::KeeperMessage::KIND_NOT_SET:
            break;  // of a newer keeper
    }
    // One message at a time: what a keeper sends faster than this waits in its own buffers.
    if (!closing_ && !finished_) StartRead(&in_);
}

void KeeperSession::take_hello(const v1::Hello& message) {
    if (session_) return refuse(StatusCode::FAILED_PRECONDITION, "a second hello in one session");
    const auto hello = wire::from_wire(message);
    if (!hello) return refuse(StatusCode::INVALID_ARGUMENT, hello.error().message);
    hello_alarm_.Cancel();
    Log{}.info("keeper_connected", "a keeper opened its session",
               {{"cluster", hello->cluster},
                {"node", hello->node},
                {"incarnation", hello->incarnation},
                {"boot", hello->boot},
                {"version", hello->keeper_version},
                {"peer", peer_}});
    const auto opened = coordinator_.open(*hello, *this);
    if (!opened) return refuse(StatusCode::RESOURCE_EXHAUSTED, opened.error().message);
    session_ = *opened;
    cluster_ = hello->cluster;
}

void KeeperSession::take_report(const v1::Report& message) {
    if (!session_) return refuse(StatusCode::FAILED_PRECONDITION, "a report before the hello");
    const auto report = wire::from_wire(message);
    if (!report) return refuse(StatusCode::INVALID_ARGUMENT, report.error().message);
    const auto taken = coordinator_.report(*session_, *report);
    if (!taken) return refuse(StatusCode::INVALID_ARGUMENT, taken.error().message);
    // Its silence counts too (R8): one that no longer leads acknowledges nothing.
    if (!coordinator_.deciding()) return;
    ack_ = report->seq;
    pump();
    offer_view();
}

/// Behind the acknowledgement, and behind every goal: nobody waits for it.
void KeeperSession::offer_view() {
    const auto view = views_.of(cluster_);
    if (view.number == viewed_) return;
    viewed_ = view.number;
    view_ = view.message;
    pump();
}

void KeeperSession::take_probe_result(const v1::ProbeResult& message) {
    if (!session_) return refuse(StatusCode::FAILED_PRECONDITION, "a probe's result before the hello");
    const auto result = wire::from_wire(message);
    if (!result) return refuse(StatusCode::INVALID_ARGUMENT, result.error().message);
    coordinator_.probe_answered(*session_, *result);
}

void KeeperSession::written(bool ok) {
    writing_ = false;
    ok ? pump() : end(grpc::Status::CANCELLED);  // the stream is broken
}

/// Starts the next write, if there is one and none is under way.
void KeeperSession::pump() {
    if (writing_ || finished_) return;
    if (closing_ && refusal_sent_) {
        finished_ = true;
        Finish(*closing_);
        return;
    }
    if (!fill_next()) return;
    writing_ = true;
    StartWrite(&out_);
}

/// The most urgent thing to say. False: nothing.
bool KeeperSession::fill_next() {
    out_.Clear();
    if (closing_) {
        out_.mutable_refusal()->set_message(wire::wire_text(closing_->error_message()));
        refusal_sent_ = true;
    } else if (goal_) {
        *out_.mutable_goal() = wire::to_wire(*goal_);
        goal_.reset();
    } else if (!probes_.empty()) {
        const auto& probe = probes_.front();
        auto& to = *out_.mutable_probe();
        to.set_probe(probe.probe);
        to.set_target(probe.target.v);
        to.set_host(probe.host);
        to.set_port(probe.port);
        to.set_limit_ms(static_cast<std::uint32_t>(std::max<std::int64_t>(probe.limit.v, 0)));
        probes_.pop_front();
    } else if (ack_) {
        fill_ack();
    } else if (view_) {
        *out_.mutable_view() = *view_;
        view_.reset();
    } else {
        return false;
    }
    return true;
}

void KeeperSession::fill_ack() {
    auto& to = *out_.mutable_ack();
    to.set_seq(*ack_);
    ack_.reset();
    const AckContent content = coordinator_.ack(*session_);
    to.set_heartbeat_ms(content.heartbeat_ms);
    to.set_node_timeout_ms(content.node_timeout_ms);
    to.set_lease(content.lease);
    if (!content.mark.life.empty()) {
        to.mutable_mark()->set_life(content.mark.life.v);
        to.mutable_mark()->set_commits(content.mark.commits);
    }
    for (const auto& [node, lsn] : content.positions) {
        auto& position = *to.add_positions();
        position.set_node(node.v);
        position.set_lsn(lsn.v);
    }
}

/// Says why, then ends the stream.
void KeeperSession::refuse(StatusCode code, const std::string& message) {
    if (closing_ || finished_) return;
    Log{}.warning("keeper_turned_away", message, {{"peer", peer_}});
    refusal_sent_ = false;
    end(grpc::Status(code, message));
}

void KeeperSession::end(const grpc::Status& status) {
    if (!closing_) closing_ = status;
    if (session_) coordinator_.close(*session_);  // nothing, if the coordinator ended it itself
    pump();
}

class KeeperService final : public v1::KeeperService::CallbackService {
  public:
    KeeperService(Post post, Coordinator& coordinator)
        : post_(std::move(post)), coordinator_(coordinator), views_(coordinator) {}

    grpc::ServerBidiReactor<v1::KeeperMessage, v1::MonitorMessage>* Session(
        grpc::CallbackServerContext* context) override {
        if (open_ >= max_streams) {
            return new Turned(
                grpc::Status(StatusCode::RESOURCE_EXHAUSTED, "too many sessions; is something connecting in a loop?"));
        }
        auto session = std::make_shared<KeeperSession>(post_, coordinator_, views_, open_, context->peer());
        auto* const reactor = session.get();
        reactor->start(std::move(session));
        return reactor;
    }

  private:
    struct Turned final : grpc::ServerBidiReactor<v1::KeeperMessage, v1::MonitorMessage> {
        explicit Turned(const grpc::Status& status) { Finish(status); }
        void OnDone() override { delete this; }
    };

    Post post_;
    Coordinator& coordinator_;
    ClusterViews views_;
    std::atomic<int> open_{0};
};

}  // namespace

std::shared_ptr<grpc::Service> make_keeper_service(Post post, Coordinator& coordinator) {
    return std::make_shared<KeeperService>(std::move(post), coordinator);
}

}  // namespace pgaf::monitor
