#include "common/http/stream.h"

#include <utility>

namespace pgaf::http {

void Stream::send(Chunk chunk) {
    if (over_ || chunk->empty()) return;
    // A message that is larger than the bound may go to a client that has read all before it.
    if (bytes_ != 0 && bytes_ + chunk->size() > most_waiting_) return close();
    bytes_ += chunk->size();
    chunks_.push_back(std::move(chunk));
    if (wake_) wake_();
}

void Stream::end() {
    over_ = true;
    if (wake_) wake_();
}

Stream::Chunk Stream::take() {
    if (chunks_.empty()) return nullptr;
    Chunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    bytes_ -= chunk->size();
    return chunk;
}

void Stream::close() {
    chunks_.clear();
    bytes_ = 0;
    end();
}

}  // namespace pgaf::http
