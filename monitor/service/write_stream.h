// A server stream that is pulled: it asks for the next message when the last one is written, so it holds one message
// and no queue, however slowly its client reads.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "monitor/service/coordinator.h"
#include "monitor/service/post.h"

namespace pgaf::monitor {

/// Everything but gRPC's own callbacks happens on the strand.
template <class Message>
class WriteStream : public grpc::ServerWriteReactor<Message>, public Watcher {
  public:
    WriteStream(Post post, Coordinator& coordinator, std::atomic<int>& open)
        : post_(std::move(post)), coordinator_(coordinator), open_(open) {
        ++open_;
    }
    ~WriteStream() override { --open_; }

    /// From gRPC's thread that makes the call. The stream deletes itself when the call is over.
    void start() {
        post_([this] {
            const grpc::Status status = begin();
            if (!status.ok()) return end(status);
            coordinator_.watch(cluster_, *this);
            watching_ = true;
            pump();
        });
    }
    void changed() override {
        note_change();
        pump();
    }

    void OnWriteDone(bool ok) override {
        post_([this, ok] {
            writing_ = false;
            ok ? pump() : end(grpc::Status::CANCELLED);
        });
    }
    void OnCancel() override {
        post_([this] { end(grpc::Status::CANCELLED); });
    }
    void OnDone() override {
        post_([this] {
            if (watching_) coordinator_.unwatch(cluster_, *this);
            delete this;
        });
    }

  protected:
    /// Checks the request and sets cluster_. Not OK: the call ends so.
    virtual grpc::Status begin() = 0;
    virtual void note_change() {}
    /// Fills the next message. False: none at the moment, or end() was called.
    virtual bool next(Message& message) = 0;
    /// Ends the call when the write under way is done.
    void end(const grpc::Status& status) {
        if (!closing_) closing_ = status;
        pump();
    }

    Post post_;
    Coordinator& coordinator_;
    ClusterName cluster_;

  private:
    void pump() {
        if (writing_ || finished_) return;
        if (!closing_ && !coordinator_.deciding())
            closing_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the monitor is stopping; ask again");
        if (!closing_) {
            out_.Clear();
            if (next(out_)) {
                writing_ = true;
                this->StartWrite(&out_);
                return;
            }
        }
        if (closing_ && !finished_) {
            finished_ = true;
            this->Finish(*closing_);
        }
    }

    std::atomic<int>& open_;
    Message out_;
    std::optional<grpc::Status> closing_;
    bool watching_ = false;
    bool writing_ = false;
    bool finished_ = false;
};

}  // namespace pgaf::monitor
