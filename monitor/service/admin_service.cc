// gRPC's threads only post to the strand; all else happens there.
#include "monitor/service/admin_service.h"

#include "common/wire/convert.h"
#include "monitor/service/event_cursor.h"
#include "monitor/service/messages.h"
#include "monitor/service/requests.h"
#include "monitor/service/write_stream.h"
#include "pgaf/v1/admin.grpc.pb.h"

namespace pgaf::monitor {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;
using grpc::ServerWriteReactor;
using grpc::Status;
using grpc::StatusCode;

/// Open streams of watchers and operations at once.
constexpr int max_streams = 256;

Status store_failed(const Error& error) {
    return {StatusCode::UNAVAILABLE, wire::wire_text(error.message)};
}
Status refused(const std::string& message) {
    return {StatusCode::FAILED_PRECONDITION, wire::wire_text(message)};
}
Status stopping() {
    return {StatusCode::UNAVAILABLE, "the monitor is stopping; ask again"};
}

class StateStream final : public WriteStream<v1::ClusterState> {
  public:
    StateStream(Post post, Coordinator& coordinator, std::atomic<int>& open, v1::GetStateRequest request)
        : WriteStream(std::move(post), coordinator, open), request_(std::move(request)) {}

  protected:
    Status begin() override {
        const fsm::Heart* heart = nullptr;
        cluster_.v = request_.cluster();
        return find_cluster(coordinator_, request_.cluster(), heart);
    }
    void note_change() override { dirty_ = true; }
    bool next(v1::ClusterState& message) override {
        const fsm::Heart* heart = coordinator_.find(cluster_);
        if (!heart || !std::exchange(dirty_, false)) return false;
        message = state_message(coordinator_, *heart);
        return true;
    }

  private:
    v1::GetStateRequest request_;
    bool dirty_ = true;
};

class EventStream final : public WriteStream<v1::Event> {
  public:
    EventStream(Post post, Coordinator& coordinator, std::atomic<int>& open, v1::ListEventsRequest request)
        : WriteStream(std::move(post), coordinator, open), request_(std::move(request)) {}

  protected:
    Status begin() override {
        const fsm::Heart* heart = nullptr;
        if (const Status found = find_cluster(coordinator_, request_.cluster(), heart); !found.ok()) return found;
        cluster_.v = request_.cluster();
        // A client that goes on where it stopped gets everything since; one that begins gets the newest ones first.
        if (request_.after() != 0 && request_.limit() == 0 && request_.since_unix_ms() == 0) {
            cursor_.start_after(request_.after());
            return Status::OK;
        }
        auto first = coordinator_.events(read(request_));
        if (!first) return store_failed(first.error());
        cursor_.start_after(coordinator_.last_event(cluster_));
        cursor_.start_with(std::move(*first));
        return Status::OK;
    }
    bool next(v1::Event& message) override {
        auto event = cursor_.next(coordinator_, cluster_);
        if (!event) return end(store_failed(event.error())), false;
        if (!*event) return false;
        message = event_message(**event);
        return true;
    }

  private:
    v1::ListEventsRequest request_;
    EventCursor cursor_;
};

/// The events from the command on, then its result. A client that goes away leaves the operation to go on.
class OperationStream final : public WriteStream<v1::OperationUpdate> {
  public:
    OperationStream(Post post, Coordinator& coordinator, std::atomic<int>& open, v1::OperationRequest request,
                    std::string peer)
        : WriteStream(std::move(post), coordinator, open), request_(std::move(request)), peer_(std::move(peer)) {}
    ~OperationStream() override {
        if (id_ != 0) coordinator_.forget_command(id_);
    }

  protected:
    Status begin() override {
        const fsm::Heart* heart = nullptr;
        if (const Status found = find_cluster(coordinator_, request_.cluster(), heart); !found.ok()) return found;
        fsm::Command command;
        if (const Status good = read(*heart, request_, command); !good.ok()) return good;
        cluster_.v = request_.cluster();
        cursor_.start_after(coordinator_.last_event(cluster_));
        Log{}.info("command", "an operator asks for " + command.kind,
                   {{"cluster", cluster_},
                    {"node", command.node},
                    {"peer", peer_},
                    {"allow_data_loss", command.allow_data_loss},
                    {"force", command.force},
                    {"dry_run", command.dry_run}});
        const bool dry_run = command.dry_run;
        id_ = coordinator_.command(cluster_, std::move(command), [this](const fsm::Reply& reply) {
            last_reply_ = reply;
            if (reply.done) until_ = coordinator_.last_event(cluster_);
        });
        if (!last_reply_) return stopping();
        refused_ = last_reply_->done && !last_reply_->ok && !dry_run;
        return Status::OK;
    }

    bool next(v1::OperationUpdate& message) override {
        if (result_sent_) return end(refused_ ? refused(last_reply_->message) : Status::OK), false;
        if (!until_ || cursor_.last() < *until_) {
            auto event = cursor_.next(coordinator_, cluster_);
            if (!event) return end(store_failed(event.error())), false;
            if (*event) *message.mutable_event() = event_message(**event);
            if (*event || !until_) return event->has_value();
        }
        auto& result = *message.mutable_result();
        result.set_ok(last_reply_->ok);
        result.set_message(wire::wire_text(last_reply_->message));
        if (last_reply_->write_pause) result.set_write_pause_ms(last_reply_->write_pause->v);
        result_sent_ = true;
        return true;
    }

  private:
    v1::OperationRequest request_;
    std::string peer_;
    std::uint64_t id_ = 0;
    EventCursor cursor_;
    std::optional<fsm::Reply> last_reply_;
    /// The last event that was there when the operation ended.
    std::optional<std::uint64_t> until_;
    bool refused_ = false;
    bool result_sent_ = false;
};

class AdminService final : public v1::AdminService::CallbackService {
  public:
    AdminService(Post post, Coordinator& coordinator) : post_(std::move(post)), coordinator_(coordinator) {}

    ServerUnaryReactor* GetState(CallbackServerContext* context, const v1::GetStateRequest* request,
                                 v1::ClusterState* response) override {
        return unary(context, [this, request, response] {
            const fsm::Heart* heart = nullptr;
            const Status found = find_cluster(coordinator_, request->cluster(), heart);
            if (found.ok()) *response = state_message(coordinator_, *heart);
            return found;
        });
    }

    ServerUnaryReactor* ListEvents(CallbackServerContext* context, const v1::ListEventsRequest* request,
                                   v1::EventList* response) override {
        return unary(context, [this, request, response]() -> Status {
            const fsm::Heart* heart = nullptr;
            if (Status found = find_cluster(coordinator_, request->cluster(), heart); !found.ok()) return found;
            const auto events = coordinator_.events(read(*request));
            if (!events) return store_failed(events.error());
            for (const Event& event : *events) *response->add_events() = event_message(event);
            return Status::OK;
        });
    }

    ServerUnaryReactor* SetNode(CallbackServerContext* context, const v1::SetNodeRequest* request,
                                v1::Done* response) override {
        return unary(context, [this, request, response] { return set(*request, *response); });
    }
    ServerUnaryReactor* SetCluster(CallbackServerContext* context, const v1::SetClusterRequest* request,
                                   v1::Done* response) override {
        return unary(context, [this, request, response] { return set(*request, *response); });
    }

    ServerWriteReactor<v1::ClusterState>* WatchState(CallbackServerContext*,
                                                     const v1::GetStateRequest* request) override {
        return stream<StateStream, v1::ClusterState>(*request);
    }
    ServerWriteReactor<v1::Event>* WatchEvents(CallbackServerContext*, const v1::ListEventsRequest* request) override {
        return stream<EventStream, v1::Event>(*request);
    }
    ServerWriteReactor<v1::OperationUpdate>* Perform(CallbackServerContext* context,
                                                     const v1::OperationRequest* request) override {
        return stream<OperationStream, v1::OperationUpdate>(*request, context->peer());
    }

  private:
    template <class F>
    ServerUnaryReactor* unary(CallbackServerContext* context, F answer) {
        ServerUnaryReactor* reactor = context->DefaultReactor();
        post_([reactor, answer = std::move(answer)] { reactor->Finish(answer()); });
        return reactor;
    }

    template <class Stream, class Message, class... Args>
    ServerWriteReactor<Message>* stream(Args&&... args) {
        if (open_ >= max_streams) {
            struct Turned final : ServerWriteReactor<Message> {
                Turned() {
                    this->Finish(Status(StatusCode::RESOURCE_EXHAUSTED, "too many watchers; end some of them"));
                }
                void OnDone() override { delete this; }
            };
            return new Turned;
        }
        auto* const reactor = new Stream(post_, coordinator_, open_, std::forward<Args>(args)...);
        reactor->start();
        return reactor;
    }

    template <class Request>
    Status set(const Request& request, v1::Done& response) {
        const fsm::Heart* heart = nullptr;
        if (Status found = find_cluster(coordinator_, request.cluster(), heart); !found.ok()) return found;
        fsm::Command command;
        if (Status good = read(*heart, request, command); !good.ok()) return good;
        std::optional<fsm::Reply> reply;
        const auto id = coordinator_.command(ClusterName{request.cluster()}, std::move(command),
                                             [&](const fsm::Reply& r) { reply = r; });
        coordinator_.forget_command(id);
        if (!reply) return stopping();
        if (!reply->ok) return refused(reply->message);
        response.set_message(wire::wire_text(reply->message));
        return Status::OK;
    }

    Post post_;
    Coordinator& coordinator_;
    std::atomic<int> open_{0};
};

}  // namespace

std::shared_ptr<grpc::Service> make_admin_service(Post post, Coordinator& coordinator) {
    return std::make_shared<AdminService>(std::move(post), coordinator);
}

}  // namespace pgaf::monitor
