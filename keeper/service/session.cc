#include "keeper/service/session.h"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <random>

#include "common/wire/convert.h"
#include "keeper/service/call.h"

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A monitor that has said nothing for so long is asked anew. At least; more with a long node_timeout.
constexpr std::int64_t least_silence_ms = 3000;
constexpr int keepalive_time_ms = 2000;
constexpr int keepalive_timeout_ms = 2000;

/// gRPC's own log lines are about its inside; what matters comes as status.
void quieten_grpc() {
    static std::once_flag once;
    std::call_once(once,
                   [] { gpr_set_log_function([](gpr_log_func_args* args) { Log{}.debug("grpc", args->message); }); });
}

grpc::ChannelArguments channel_arguments() {
    grpc::ChannelArguments args;
    // A channel for each attempt, with nothing shared: the backoff is ours, not that of an attempt before.
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_time_ms);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_timeout_ms);
    args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    args.SetMaxReceiveMessageSize(wire::max_message_bytes);
    args.SetMaxSendMessageSize(wire::max_message_bytes);
    return args;
}

Ack read_ack(const v1::Ack& from) {
    Ack ack;
    ack.seq = from.seq();
    for (const v1::Position& p : from.positions()) ack.positions[NodeName{p.node()}] = Lsn{p.lsn()};
    ack.heartbeat = Millis{from.heartbeat_ms()};
    ack.node_timeout = Millis{from.node_timeout_ms()};
    ack.lease = from.lease();
    ack.mark = {MonitorId{from.mark().life()}, from.mark().commits()};
    ack.in_doubt = ack.mark.life.empty();
    return ack;
}

Probe read_probe(const v1::Probe& from) {
    return {from.probe(), NodeName{from.target()}, from.host(), static_cast<std::uint16_t>(from.port()),
            Millis{from.limit_ms()}};
}

}  // namespace

struct MonitorSession::Impl : std::enable_shared_from_this<Impl> {
    Impl(boost::asio::any_io_executor on, SessionOptions o, std::shared_ptr<grpc::ChannelCredentials> c)
        : strand(on),
          options(std::move(o)),
          credentials(std::move(c)),
          timer(on),
          ended(on, Clock::time_point::max()) {}

    void connect();
    void take(const v1::MonitorMessage& message);
    void take_goal(const v1::Goal& message);
    void take_view(const v1::ClusterView& message);
    void call_ended(const Call* which, const grpc::Status& status);
    void watch();
    void connect_after(milliseconds delay);
    milliseconds backoff();
    [[nodiscard]] milliseconds silence_limit() const;
    [[nodiscard]] const std::string& address() const { return options.monitors[next % options.monitors.size()]; }

    boost::asio::any_io_executor strand;
    SessionOptions options;
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    /// Either watches the call under way, or waits to begin the next one.
    boost::asio::steady_timer timer;
    /// Rung when a call has ended, for close().
    boost::asio::steady_timer ended;
    Receiver receiver;
    std::optional<Hello> hello;
    std::shared_ptr<Call> call;
    bool closing = false;
    /// The hello has changed: begin again as soon as the call under way has ended.
    bool renewed = false;
    bool refused = false;
    std::size_t next = 0;
    unsigned failures = 0;
    Clock::time_point begun;
    /// When the monitor was last heard in this call; unset: not yet.
    std::optional<Clock::time_point> heard;
    Millis node_timeout;
    std::mt19937 jitter{std::random_device{}()};
};

milliseconds MonitorSession::Impl::silence_limit() const {
    if (!heard) return milliseconds(options.connect_limit.v);
    return milliseconds(std::max(least_silence_ms, 2 * node_timeout.v));
}

/// Grows with the failures in a row, with jitter so that keepers do not come all at once; none before every address has
/// been tried once.
milliseconds MonitorSession::Impl::backoff() {
    const std::size_t rounds = failures / options.monitors.size();
    if (failures % options.monitors.size() != 0) return milliseconds(0);
    const std::int64_t grown = options.first_backoff.v << std::min<std::size_t>(rounds > 0 ? rounds - 1 : 0, 10);
    const std::int64_t base = std::min(options.longest_backoff.v, grown);
    return milliseconds(std::uniform_int_distribution<std::int64_t>(base * 3 / 4, base * 5 / 4)(jitter));
}

void MonitorSession::Impl::connect() {
    if (closing || !hello) return;
    renewed = refused = false;
    heard.reset();
    begun = Clock::now();
    const auto channel = grpc::CreateCustomChannel(address(), credentials, channel_arguments());
    const std::weak_ptr<Impl> weak = weak_from_this();
    call = std::make_shared<Call>(strand, channel, [weak](const v1::MonitorMessage& message) {
        if (const auto self = weak.lock()) self->take(message);
    });
    call->on_end([weak, which = call.get()](const grpc::Status& status) {
        if (const auto self = weak.lock()) self->call_ended(which, status);
    });
    call->start(wire::to_wire(*hello));
    watch();
    receiver.opened();
}

/// Ends a call whose monitor says nothing.
void MonitorSession::Impl::watch() {
    timer.expires_at(heard.value_or(begun) + silence_limit());
    timer.async_wait([weak = weak_from_this(), which = call.get()](const boost::system::error_code& stopped) {
        const auto self = weak.lock();
        if (stopped || !self || self->call.get() != which || !self->call) return;
        if (Clock::now() < self->heard.value_or(self->begun) + self->silence_limit()) return self->watch();
        self->call->cancel();
    });
}

void MonitorSession::Impl::take(const v1::MonitorMessage& message) {
    if (!heard) options.log.info("monitor_connected", "the monitor answers", {{"monitor", address()}});
    heard = Clock::now();
    failures = 0;
    switch (message.kind_case()) {
        case v1::MonitorMessage::kAck: {
            const Ack ack = read_ack(message.ack());
            node_timeout = ack.node_timeout;
            return receiver.ack(ack);
        }
        case v1::MonitorMessage::kGoal:
            return take_goal(message.goal());
        case v1::MonitorMessage::kProbe:
            return receiver.probe(read_probe(message.probe()));
        case v1::MonitorMessage::kRefusal:
            refused = true;
            return receiver.refused(message.refusal().message());
        case v1::MonitorMessage::kView:
            return take_view(message.view());
        case v1::MonitorMessage::KIND_NOT_SET:
            return;  // of a newer monitor
    }
}

/// One that can't be read (a newer monitor's words, say) is as good as none: nothing hangs on it.
void MonitorSession::Impl::take_view(const v1::ClusterView& message) {
    const auto view = wire::from_wire(message);
    if (view && receiver.view) return receiver.view(*view);
    if (!view) options.log.debug("view_unreadable", view.error().message);
}

void MonitorSession::Impl::take_goal(const v1::Goal& message) {
    const auto goal = wire::from_wire(message);
    if (goal) return receiver.goal(*goal);
    options.log.error("goal_unreadable", goal.error().message + "; are keeper and monitor of versions that fit?");
}

void MonitorSession::Impl::call_ended(const Call* which, const grpc::Status& status) {
    if (call.get() != which) return;
    call.reset();
    timer.cancel();
    ended.cancel();
    if (closing) return;
    const bool was_open = heard.has_value();
    if (renewed) return connect();
    if (refused) return connect_after(milliseconds(options.after_refusal.v));
    std::string why = status.error_message();
    if (!was_open && status.error_code() == grpc::StatusCode::CANCELLED)
        why = "no answer in time";
    else if (was_open && status.error_code() == grpc::StatusCode::CANCELLED)
        why = "it has fallen silent";
    else if (why.empty())
        why = "it has ended the session";
    receiver.lost("monitor " + address() + ": " + why);
    // At once after a session that lasted, so that its loss is short; a monitor that only hangs up is not pressed.
    if (was_open)
        return connect_after(
            milliseconds(Clock::now() - begun > std::chrono::seconds(1) ? 0 : options.first_backoff.v));
    ++failures;
    ++next;
    connect_after(backoff());
}

void MonitorSession::Impl::connect_after(milliseconds delay) {
    timer.expires_after(delay);
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& stopped) {
        const auto self = weak.lock();
        if (!stopped && self && !self->call) self->connect();
    });
}

Result<std::unique_ptr<MonitorSession>> MonitorSession::make(boost::asio::any_io_executor strand,
                                                             SessionOptions options) {
    if (options.monitors.empty()) return error("no monitor is configured: set monitor = [\"host:port\"]");
    quieten_grpc();
    auto credentials = channel_credentials(options.tls);
    if (!credentials) return credentials.error();
    return std::unique_ptr<MonitorSession>(
        new MonitorSession(std::make_shared<Impl>(std::move(strand), std::move(options), *credentials)));
}

MonitorSession::MonitorSession(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
MonitorSession::~MonitorSession() = default;

void MonitorSession::listen(Receiver receiver) {
    impl_->receiver = std::move(receiver);
}

void MonitorSession::open(const Hello& hello) {
    impl_->hello = hello;
    impl_->failures = 0;
    if (!impl_->call) {
        impl_->timer.cancel();
        return impl_->connect();
    }
    impl_->renewed = true;
    impl_->call->cancel();
}

void MonitorSession::send(const Report& report) {
    if (impl_->call && !impl_->renewed) impl_->call->send(wire::to_wire(report));
}

void MonitorSession::send(const ProbeResult& result) {
    if (impl_->call && !impl_->renewed) impl_->call->send(wire::to_wire(result));
}

boost::asio::awaitable<void> MonitorSession::close() {
    const auto impl = impl_;
    impl->closing = true;
    impl->timer.cancel();
    if (impl->call) impl->call->cancel();
    while (impl->call) {
        boost::system::error_code rung;
        co_await impl->ended.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, rung));
    }
}

}  // namespace pgaf::keeper
