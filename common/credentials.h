// The one place that gives every gRPC channel and server of pgaf its credentials. Knows nothing of what they carry.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace pgaf {

/// Mutual TLS: who we are and whom we believe. All empty: no encryption, which is all that this version offers; the
/// functions below refuse anything else, so that nobody believes to be protected who is not.
struct TlsOptions {
    std::string ca_file;
    std::string certificate_file;
    std::string key_file;
    [[nodiscard]] bool empty() const { return ca_file.empty() && certificate_file.empty() && key_file.empty(); }
};

[[nodiscard]] Result<std::shared_ptr<grpc::ChannelCredentials>> channel_credentials(const TlsOptions& tls = {});
[[nodiscard]] Result<std::shared_ptr<grpc::ServerCredentials>> server_credentials(const TlsOptions& tls = {});

}  // namespace pgaf
