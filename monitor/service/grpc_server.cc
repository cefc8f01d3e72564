#include "monitor/service/grpc_server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>

#include "common/log.h"
#include "common/net.h"
#include "common/wire/convert.h"
#include "monitor/service/admin_service.h"
#include "monitor/service/keeper_service.h"

namespace pgaf::monitor {
namespace {

/// How long calls get to end by themselves when the server stops.
constexpr std::chrono::milliseconds shutdown_grace{500};
/// A peer whose machine is gone or frozen does not hold its connection longer than these two together. Nothing is
/// decided by that: the heart counts heartbeats.
constexpr int keepalive_time_ms = 5000;
constexpr int keepalive_timeout_ms = 5000;
/// Clients may send keepalives of their own so often.
constexpr int least_ping_interval_ms = 250;

/// gRPC's own log lines are about its inside; what matters comes as status and Result.
void quieten_grpc() {
    static std::once_flag once;
    std::call_once(once,
                   [] { gpr_set_log_function([](gpr_log_func_args* args) { Log{}.debug("grpc", args->message); }); });
}

/// Binds and lets go again: gRPC's own error does not say why an address can't be listened on.
Result<void> try_to_bind(const HostPort& where) {
    const auto failed = [&](const std::string& why) {
        return error("gRPC server: cannot listen on " + where.text() + ": " + why);
    };
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found); rc != 0) {
        return failed(::gai_strerror(rc));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> hold(found, ::freeaddrinfo);
    const int fd = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
    if (fd < 0) return failed(std::strerror(errno));
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const int rc = ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 ? ::listen(fd, 1) : -1;
    const int why = errno;
    ::close(fd);
    if (rc == 0) return {};
    return failed(std::string(std::strerror(why)) +
                  (why == EADDRINUSE ? "; another program listens there: stop it or set another listen address" : ""));
}

void set_limits(grpc::ServerBuilder& builder) {
    builder.SetMaxReceiveMessageSize(wire::max_message_bytes);
    builder.SetMaxSendMessageSize(wire::max_message_bytes);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // else a second monitor would share the port in silence
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_time_ms);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_timeout_ms);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, least_ping_interval_ms);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 128);
}

}  // namespace

struct GrpcServer::Impl {
    std::shared_ptr<grpc::Service> keepers;
    std::shared_ptr<grpc::Service> admin;
    std::unique_ptr<grpc::Server> server;  // goes before the services
    int port = 0;
};

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(const std::string& address, const TlsOptions& tls, Post post,
                                                      Coordinator& coordinator) {
    quieten_grpc();
    const auto where = parse_host_port(address);
    if (!where) return where.error().in("gRPC listen address");
    const auto credentials = server_credentials(tls);
    if (!credentials) return credentials.error();
    if (const auto free = try_to_bind(*where); !free) return free.error();

    grpc::EnableDefaultHealthCheckService(true);
    static std::once_flag reflection;
    std::call_once(reflection, grpc::reflection::InitProtoReflectionServerBuilderPlugin);

    auto impl = std::make_unique<Impl>();
    impl->keepers = make_keeper_service(post, coordinator);
    impl->admin = make_admin_service(post, coordinator);
    grpc::ServerBuilder builder;
    set_limits(builder);
    builder.AddListeningPort(where->text(), *credentials, &impl->port);
    builder.RegisterService(impl->keepers.get());
    builder.RegisterService(impl->admin.get());
    impl->server = builder.BuildAndStart();
    if (!impl->server || impl->port == 0) {
        return error("gRPC server: cannot listen on " + address + "; is another program listening there?");
    }
    for (const char* name : {"", "pgaf.v1.KeeperService", "pgaf.v1.AdminService"}) {
        impl->server->GetHealthCheckService()->SetServingStatus(name, true);
    }
    return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() = default;

std::uint16_t GrpcServer::port() const {
    return static_cast<std::uint16_t>(impl_->port);
}

void GrpcServer::shut_down() {
    impl_->server->GetHealthCheckService()->SetServingStatus(false);
    impl_->server->Shutdown(std::chrono::system_clock::now() + shutdown_grace);
    impl_->server->Wait();
}

}  // namespace pgaf::monitor
