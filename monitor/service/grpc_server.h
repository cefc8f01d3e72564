// The monitor's gRPC endpoint: both services, health checking, reflection, keepalive and limits in one server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/credentials.h"
#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace pgaf::monitor {

class GrpcServer {
  public:
    /// Listens on host:port (port 0: a free one) and serves. An error says which address, and why.
    static Result<std::unique_ptr<GrpcServer>> start(const std::string& address, const TlsOptions& tls, Post post,
                                                     Coordinator& coordinator);
    ~GrpcServer();

    [[nodiscard]] std::uint16_t port() const;
    /// Ends every call and waits until all is over. Not from the strand: calls need it to end. Call once, before the
    /// destructor.
    void shut_down();

  private:
    struct Impl;
    explicit GrpcServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace pgaf::monitor
