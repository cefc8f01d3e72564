#include "common/credentials.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

namespace pgaf {
namespace {

Error no_tls() {
    return error(
        "TLS between pgaf programs is not available in this version: leave the TLS options out, "
        "and keep the monitor's port inside a trusted network");
}

}  // namespace

Result<std::shared_ptr<grpc::ChannelCredentials>> channel_credentials(const TlsOptions& tls) {
    if (!tls.empty()) return no_tls();
    return grpc::InsecureChannelCredentials();
}

Result<std::shared_ptr<grpc::ServerCredentials>> server_credentials(const TlsOptions& tls) {
    if (!tls.empty()) return no_tls();
    return grpc::InsecureServerCredentials();
}

}  // namespace pgaf
