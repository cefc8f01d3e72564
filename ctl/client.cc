#include "ctl/client.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <thread>

#include "common/credentials.h"
#include "pgaf/v1/admin.grpc.pb.h"

namespace pgaf::ctl {
namespace {

using Clock = std::chrono::system_clock;  // what gRPC's deadlines are made of
using std::chrono::milliseconds;

/// A monitor that is silent this long is not waited for while there may be another one.
constexpr milliseconds connect_limit{3000};
/// Between attempts to find the monitor again while watching.
constexpr milliseconds retry_pause{500};
constexpr int max_message_bytes = 16 << 20;

std::string seconds_text(milliseconds limit) {
    const auto count = limit.count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

/// The part of gRPC's text that tells people something: what stands after the last of its prefixes.
std::string plain(std::string text) {
    for (const std::string mark : {"last error: ", "remote host: "}) {
        const auto at = text.rfind(mark);
        if (at != std::string::npos) text = text.substr(at + mark.size());
    }
    if (text.find("http1.x server") != std::string::npos)
        return "no monitor's gRPC, but an HTTP server answers there; the port to name is that of the monitor's "
               "`listen`, "
               "usually 5431";
    return text;
}

ExitCode exit_code_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::OK:
            return exit_done;
        case grpc::StatusCode::UNAVAILABLE:
            return exit_unreachable;
        case grpc::StatusCode::DEADLINE_EXCEEDED:
            return exit_timed_out;
        default:
            return exit_refused;
    }
}

}  // namespace

struct Client::Impl {
    using Stub = v1::AdminService::Stub;

    std::vector<HostPort> monitors;
    std::optional<milliseconds> timeout;
    Clock::time_point started = Clock::now();
    /// The monitor that answered last: the next call begins with it.
    std::size_t current = 0;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<Stub> stub;

    [[nodiscard]] Clock::time_point deadline() const { return timeout ? started + *timeout : Clock::time_point::max(); }
    [[nodiscard]] bool out_of_time() const { return Clock::now() >= deadline(); }
    [[nodiscard]] std::string name() const { return monitors[current].text(); }

    void prepare(grpc::ClientContext& context) const {
        if (timeout) context.set_deadline(deadline());
    }

    Outcome timed_out(const std::string& about) const {
        return {exit_timed_out,
                "no answer from the monitor at " + name() + " within " + seconds_text(*timeout) + about};
    }

    /// What a finished call means. `changes`: it may have had an effect that we did not hear of.
    Outcome outcome_of(const grpc::Status& status, bool changes) const {
        if (status.ok()) return {};
        const ExitCode code = exit_code_of(status.error_code());
        const std::string maybe = changes ? "; the command may still be going on, see: pgafctl show events" : "";
        if (code == exit_timed_out) return timed_out(maybe.empty() ? "; --timeout allows for more" : maybe);
        if (code == exit_unreachable)
            return {code, "the monitor at " + name() + " broke off: " + plain(status.error_message()) + maybe};
        if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
            return {code, "the monitor at " + name() +
                              " does not know this command; is it a pgaf monitor, and not older than this pgafctl?"};
        return {code, status.error_message().empty() ? "refused without a reason" : status.error_message()};
    }

    /// Connects to monitors[index]; says why not when it fails.
    std::optional<std::string> connect(std::size_t index) {
        const auto credentials = channel_credentials();
        if (!credentials) return credentials.error().message;
        grpc::ChannelArguments arguments;
        // A proxy of the environment is for the web, and would be asked for 127.0.0.1 too.
        arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        arguments.SetMaxReceiveMessageSize(max_message_bytes);
        channel = grpc::CreateCustomChannel(monitors[index].text(), *credentials, arguments);
        const auto limit = std::min(deadline(), Clock::now() + connect_limit);
        for (auto state = channel->GetState(true); state != GRPC_CHANNEL_READY; state = channel->GetState(true)) {
            if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) return why_not_connected();
            if (!channel->WaitForStateChange(state, limit)) return "it does not answer";
        }
        stub = v1::AdminService::NewStub(channel);
        current = index;
        return std::nullopt;
    }

    /// The channel does not tell why it failed; a call on it does.
    std::string why_not_connected() {
        grpc::ClientContext context;
        context.set_deadline(Clock::now() + connect_limit);
        v1::ClusterState answer;
        const auto status = v1::AdminService::NewStub(channel)->GetState(&context, v1::GetStateRequest(), &answer);
        return status.ok() ? "it came and went" : plain(status.error_message());
    }

    /// A connection to the first monitor that answers, starting with the last good one.
    Outcome connect() {
        if (stub && channel->GetState(false) == GRPC_CHANNEL_READY) return {};
        std::string reasons;
        for (std::size_t i = 0; i < monitors.size(); ++i) {
            const std::size_t index = (current + i) % monitors.size();
            const auto reason = connect(index);
            if (!reason) return {};
            reasons += "\n  " + monitors[index].text() + ": " + *reason;
        }
        stub.reset();
        return {exit_unreachable, "no monitor can be reached:" + reasons +
                                      "\nis it running? Name others with --monitor HOST:PORT or PGAF_MONITOR"};
    }

    /// A call with one answer. What changes nothing is asked of the next monitor when one breaks off.
    template <class Method, class Request, class Answer>
    Outcome call(Method method, const Request& request, Answer& answer, bool changes) {
        Outcome outcome;
        for (std::size_t attempt = 0; attempt < monitors.size(); ++attempt) {
            if (outcome = connect(); !outcome.ok()) return outcome;
            grpc::ClientContext context;
            prepare(context);
            outcome = outcome_of((stub.get()->*method)(&context, request, &answer), changes);
            if (outcome.code != exit_unreachable || changes) return outcome;
            stub.reset();
            current = (current + 1) % monitors.size();
        }
        return outcome;
    }

    /// A stream of answers that never ends by itself. `open` starts it anew, from where it was.
    template <class Answer, class Open, class Each>
    Outcome watch(Open open, Each each, const std::function<void(const std::string&)>& lost) {
        bool heard = false;
        for (;;) {
            Outcome outcome = connect();
            if (outcome.ok()) {
                grpc::ClientContext context;
                prepare(context);
                auto reader = open(context);
                Answer answer;
                while (reader->Read(&answer)) {
                    heard = true;
                    if (each(answer)) continue;
                    context.TryCancel();
                    return {};
                }
                const auto status = reader->Finish();
                outcome = status.ok() ? Outcome{exit_unreachable, "the monitor at " + name() + " closed the stream"}
                                      : outcome_of(status, false);
            }
            // At the first attempt an absent monitor is an answer; later it is a pause.
            if (outcome.code != exit_unreachable || !heard) return outcome;
            if (out_of_time()) return timed_out("");
            lost(outcome.message);
            stub.reset();
            std::this_thread::sleep_for(retry_pause);
        }
    }
};

Client::Client(std::vector<HostPort> monitors, std::optional<milliseconds> timeout) : impl_(std::make_unique<Impl>()) {
    // Our messages say what gRPC's own log lines would.
    gpr_set_log_function([](gpr_log_func_args*) {});
    impl_->monitors = std::move(monitors);
    impl_->timeout = timeout;
}

Client::~Client() = default;

Outcome Client::get_state(const std::string& cluster, v1::ClusterState& answer) {
    v1::GetStateRequest request;
    request.set_cluster(cluster);
    return impl_->call(&Impl::Stub::GetState, request, answer, false);
}

Outcome Client::list_events(const v1::ListEventsRequest& request, v1::EventList& answer) {
    return impl_->call(&Impl::Stub::ListEvents, request, answer, false);
}

Outcome Client::set_node(const v1::SetNodeRequest& request, v1::Done& answer) {
    return impl_->call(&Impl::Stub::SetNode, request, answer, !request.dry_run());
}

Outcome Client::set_cluster(const v1::SetClusterRequest& request, v1::Done& answer) {
    return impl_->call(&Impl::Stub::SetCluster, request, answer, !request.dry_run());
}

Outcome Client::perform(const v1::OperationRequest& request,
                        const std::function<void(const v1::OperationUpdate&)>& each) {
    if (const Outcome outcome = impl_->connect(); !outcome.ok()) return outcome;
    grpc::ClientContext context;
    impl_->prepare(context);
    const auto reader = impl_->stub->Perform(&context, request);
    v1::OperationUpdate update;
    bool ended = false;
    while (reader->Read(&update)) {
        ended = ended || update.has_result();
        each(update);
    }
    const auto status = reader->Finish();
    // With the result in hand it does not matter how the stream ended.
    if (ended) return {};
    if (status.ok())
        return {exit_unreachable,
                "the monitor at " + impl_->name() + " ended the call without a result; see: pgafctl show events"};
    return impl_->outcome_of(status, !request.dry_run());
}

Outcome Client::watch_state(const std::string& cluster, const std::function<bool(const v1::ClusterState&)>& each,
                            const std::function<void(const std::string&)>& lost) {
    v1::GetStateRequest request;
    request.set_cluster(cluster);
    return impl_->watch<v1::ClusterState>(
        [&](grpc::ClientContext& context) { return impl_->stub->WatchState(&context, request); }, each, lost);
}

Outcome Client::watch_events(const v1::ListEventsRequest& request, const std::function<bool(const v1::Event&)>& each,
                             const std::function<void(const std::string&)>& lost) {
    v1::ListEventsRequest next = request;
    return impl_->watch<v1::Event>(
        [&](grpc::ClientContext& context) { return impl_->stub->WatchEvents(&context, next); },
        [&](const v1::Event& event) {
            // After a break everything since, whatever the beginning was limited to.
            next.set_after(std::max(next.after(), event.seq()));
            next.clear_limit();
            next.clear_since_unix_ms();
            return each(event);
        },
        lost);
}

}  // namespace pgaf::ctl
