#include "monitor/app.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "common/http/server.h"
#include "common/log.h"
#include "monitor/http/metrics.h"
#include "monitor/http/routes.h"
#include "monitor/service/clock.h"
#include "monitor/service/grpc_server.h"

namespace pgaf::monitor {

namespace asio = boost::asio;

namespace {

/// More than this without a turn of the loop is a freeze of this process, not silence of the nodes (see AwakeClock).
/// The coordinator wants a tick at least every 200 ms.
constexpr Millis longest_gap{500};

}  // namespace

struct App::Impl {
    Impl(AppOptions given, std::unique_ptr<Store> its_store)
        : options(std::move(given)),
          store(std::move(its_store)),
          coordinator(world(), options.coordinator, MonitorId{random_id()}) {}

    Coordinator::World world() {
        return {*store, metrics, [this] { return clock.now(); }, [this](Millis at) { arm(at); },
                [this](const std::string& why) { fail(why); }};
    }
    Post post() {
        return [this](std::function<void()> work) { asio::post(strand, std::move(work)); };
    }
    void arm(Millis at);
    void fail(const std::string& why);
    void begin_stop();
    void await_signal(std::function<void()> on_hangup);

    AppOptions options;
    std::unique_ptr<Store> store;
    asio::io_context strand{1};
    /// Held until the servers are down: their calls need the strand to end.
    asio::executor_work_guard<asio::io_context::executor_type> work{strand.get_executor()};
    asio::steady_timer timer{strand};
    asio::signal_set signals{strand};
    AwakeClock clock{longest_gap};
    Metrics metrics;
    HttpCounts http_counts;
    Coordinator coordinator;
    std::unique_ptr<GrpcServer> grpc;

    asio::io_context http_context{1};
    std::unique_ptr<http::Server> http;
    std::thread http_thread;

    /// Ends the servers while the strand goes on.
    std::thread stopper;
    bool stopping = false;
    std::optional<std::string> failure;
};

/// One timer for everything: an earlier wait is given up for a newer one.
void App::Impl::arm(Millis at) {
    timer.expires_after(std::chrono::milliseconds(std::max<std::int64_t>(0, at.v - clock.now().v)));
    timer.async_wait([this](const boost::system::error_code& ec) {
        if (!ec && !stopping) coordinator.tick();
    });
}

void App::Impl::fail(const std::string& why) {
    failure = why;
    asio::post(strand, [this] { begin_stop(); });  // not from inside a step
}

void App::Impl::begin_stop() {
    if (std::exchange(stopping, true)) return;
    coordinator.stop();
    boost::system::error_code ignored;  // nothing is waited for any more
    signals.cancel(ignored);
    timer.cancel();
    stopper = std::thread([this] {
        // HTTP first: its requests wait for the strand.
        http_context.stop();
        if (http_thread.joinable()) http_thread.join();
        grpc->shut_down();
        asio::post(strand, [this] { work.reset(); });
    });
}

Result<std::unique_ptr<App>> App::start(AppOptions options, std::unique_ptr<Store> store) {
    auto impl = std::make_unique<Impl>(std::move(options), std::move(store));
    // Ports before the term: a second monitor started by mistake leaves the store as it is.
    auto grpc = GrpcServer::start(impl->options.listen, impl->options.tls, impl->post(), impl->coordinator);
    if (!grpc) return grpc.error();
    impl->grpc = std::move(*grpc);
    std::unique_ptr<App> app(new App(std::move(impl)));
    Impl& it = *app->impl_;
    if (!it.options.http_listen.empty()) {
        auto http =
            http::Server::listen(it.http_context, it.options.http_listen,
                                 make_routes({it.http_context, it.post(), it.coordinator, it.metrics, it.http_counts}),
                                 {}, [&counts = it.http_counts](unsigned code) { counts.answered(code); });
        if (!http) return http.error();
        it.http = std::move(*http);
    }
    if (const auto started = it.coordinator.start(); !started) return started.error();
    return app;
}

App::App(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

App::~App() {
    // Never run: take down what start() has put up.
    if (!impl_->stopping) {
        impl_->begin_stop();
        impl_->strand.run();
    }
    if (impl_->stopper.joinable()) impl_->stopper.join();
}

Result<void> App::run() {
    if (impl_->http) impl_->http_thread = std::thread([this] { impl_->http_context.run(); });
    Log{}.info("listening", "the monitor serves", {{"grpc_port", grpc_port()}, {"http_port", http_port()}});
    impl_->strand.run();
    if (impl_->stopper.joinable()) impl_->stopper.join();
    if (impl_->failure) return error(*impl_->failure);
    return {};
}

void App::stop() {
    asio::post(impl_->strand, [this] { impl_->begin_stop(); });
}

void App::Impl::await_signal(std::function<void()> on_hangup) {
    signals.async_wait([this, on_hangup = std::move(on_hangup)](const boost::system::error_code& ec, int signal) {
        if (ec) return;
        if (signal == SIGHUP) {
            on_hangup();
            return await_signal(on_hangup);
        }
        Log{}.info("stopping", "a signal asks the monitor to stop", {{"signal", signal}});
        begin_stop();
    });
}

void App::take_signals(std::function<void()> on_hangup) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) impl_->signals.add(signal);
    impl_->await_signal(std::move(on_hangup));
}

std::uint16_t App::grpc_port() const {
    return impl_->grpc->port();
}
std::uint16_t App::http_port() const {
    return impl_->http ? impl_->http->port() : 0;
}

}  // namespace pgaf::monitor
