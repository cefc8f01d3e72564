// One call of KeeperService.Session: between gRPC's threads and the keeper's strand. Inside of session.cc; the only
// header of the keeper that shows gRPC. Knows nothing of addresses and retries.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "pgaf/v1/keeper.grpc.pb.h"

namespace pgaf::keeper {

/// Every method is called on the strand, and every callback comes there. Lives until the call has ended.
class Call final : public grpc::ClientBidiReactor<v1::KeeperMessage, v1::MonitorMessage>,
                   public std::enable_shared_from_this<Call> {
  public:
    using OnMessage = std::function<void(const v1::MonitorMessage&)>;
    using OnEnd = std::function<void(const grpc::Status&)>;

    Call(boost::asio::any_io_executor strand, const std::shared_ptr<grpc::Channel>& channel, OnMessage on_message);
    /// Set before start().
    void on_end(OnEnd callback) { on_end_ = std::move(callback); }

    void start(const v1::Hello& hello);
    void send(const v1::Report& report);
    void send(const v1::ProbeResult& result);
    /// on_end still comes, on_message does not.
    void cancel();

    // From gRPC's threads.
    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnDone(const grpc::Status& status) override;

  private:
    void read_done(bool ok);
    void write_done(bool ok);
    void pump();

    boost::asio::any_io_executor strand_;
    std::unique_ptr<v1::KeeperService::Stub> stub_;
    grpc::ClientContext context_;
    OnMessage on_message_;
    OnEnd on_end_;
    /// Until OnDone: gRPC holds a plain pointer.
    std::shared_ptr<Call> self_;

    v1::MonitorMessage in_;
    v1::KeeperMessage out_;
    std::optional<v1::Report> report_;
    std::deque<v1::ProbeResult> results_;
    bool writing_ = false;
    bool over_ = false;
};

}  // namespace pgaf::keeper
