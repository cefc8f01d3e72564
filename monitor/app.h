// The monitor as a whole: strand, store, coordinator, gRPC and HTTP, put together and taken apart in the right order.
// Knows nothing of configuration files and signals.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/credentials.h"
#include "common/result.h"
#include "monitor/service/coordinator.h"
#include "monitor/store/store.h"

namespace pgaf::monitor {

struct AppOptions {
    std::string listen = "127.0.0.1:0";
    /// Empty: no HTTP.
    std::string http_listen = "127.0.0.1:0";
    TlsOptions tls;
    CoordinatorOptions coordinator;
};

class App {
  public:
    /// Takes over the store and listens. Nothing runs yet: run() does that.
    static Result<std::unique_ptr<App>> start(AppOptions options, std::unique_ptr<Store> store);
    ~App();

    /// Serves on this thread until stop() or something that it can't go on from. The latter is the error.
    Result<void> run();
    /// From any thread, and from signal handlers of Asio.
    void stop();
    /// SIGTERM and SIGINT call stop(), SIGHUP calls this, on the thread of run().
    void take_signals(std::function<void()> on_hangup);

    [[nodiscard]] std::uint16_t grpc_port() const;
    [[nodiscard]] std::uint16_t http_port() const;

  private:
    struct Impl;
    explicit App(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace pgaf::monitor
