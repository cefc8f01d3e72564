// The keeper's session with the monitor over gRPC: several addresses in turn, short deadlines, backoff. Knows nothing
// of what goals mean. No gRPC in this header.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/credentials.h"
#include "common/log.h"
#include "common/result.h"
#include "keeper/service/link.h"

namespace pgaf::keeper {

struct SessionOptions {
    /// host:port, tried in turn.
    std::vector<std::string> monitors;
    TlsOptions tls;
    /// From the first attempt at an address to the monitor's first word.
    Millis connect_limit{1000};
    Millis first_backoff{100};
    Millis longest_backoff{1000};
    Millis after_refusal{5000};
    Log log;
};

class MonitorSession final : public Link {
  public:
    static Result<std::unique_ptr<MonitorSession>> make(boost::asio::any_io_executor strand, SessionOptions options);
    /// close() has to have returned before, if open() was ever called.
    ~MonitorSession() override;

    void listen(Receiver receiver) override;
    void open(const Hello& hello) override;
    void send(const Report& report) override;
    void send(const ProbeResult& result) override;
    boost::asio::awaitable<void> close() override;

  private:
    struct Impl;
    explicit MonitorSession(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace pgaf::keeper
