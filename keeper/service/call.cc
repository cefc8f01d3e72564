#include "keeper/service/call.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace pgaf::keeper {
namespace {

/// Answers to probes that were not sent yet; a late one is worth nothing.
constexpr std::size_t max_results = 16;

}  // namespace

Call::Call(boost::asio::any_io_executor strand, const std::shared_ptr<grpc::Channel>& channel, OnMessage on_message)
    : strand_(std::move(strand)), stub_(v1::KeeperService::NewStub(channel)), on_message_(std::move(on_message)) {}

void Call::start(const v1::Hello& hello) {
    self_ = shared_from_this();
    stub_->async()->Session(&context_, this);
    // Reads and writes are started on the strand, outside of gRPC's reactions: the hold keeps the stream until the
    // last.
    AddHold();
    *out_.mutable_hello() = hello;
    writing_ = true;
    StartWrite(&out_);
    StartRead(&in_);
    StartCall();
}

void Call::send(const v1::Report& report) {
    report_ = report;
    pump();
}

void Call::send(const v1::ProbeResult& result) {
    if (results_.size() >= max_results) results_.pop_front();
    results_.push_back(result);
    pump();
}

void Call::cancel() {
    on_message_ = nullptr;
    context_.TryCancel();
}

void Call::OnReadDone(bool ok) {
    boost::asio::post(strand_, [self = shared_from_this(), ok] { self->read_done(ok); });
}
void Call::OnWriteDone(bool ok) {
    boost::asio::post(strand_, [self = shared_from_this(), ok] { self->write_done(ok); });
}
void Call::OnDone(const grpc::Status& status) {
    boost::asio::post(strand_, [self = std::move(self_), status] { self->on_end_(status); });
}

void Call::read_done(bool ok) {
    if (!ok) {
        // The stream is over in both directions: nothing is started any more.
        over_ = true;
        RemoveHold();
        return;
    }
    // One message at a time: what the monitor says faster than it is dealt with waits in gRPC.
    // A copy: what is done with the message may cancel the call.
    if (const OnMessage take = on_message_) take(in_);
    StartRead(&in_);
}

void Call::write_done(bool ok) {
    writing_ = false;
    if (ok) pump();
    // Not ok: the read under way fails as well, and ends the call.
}

void Call::pump() {
    if (writing_ || over_) return;
    out_.Clear();
    if (!results_.empty()) {
        *out_.mutable_probe_result() = std::move(results_.front());
        results_.pop_front();
    } else if (report_) {
        *out_.mutable_report() = std::move(*report_);
        report_.reset();
    } else {
        return;
    }
    writing_ = true;
    StartWrite(&out_);
}

}  // namespace pgaf::keeper
