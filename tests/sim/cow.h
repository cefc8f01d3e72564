// A part of a world that worlds share until one of them changes it. Copying a world copies no part of it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace pgaf::sim {

template <class T>
class Cow {
  public:
    Cow() : value_(std::make_shared<T>()) {}
    explicit Cow(T value) : value_(std::make_shared<T>(std::move(value))) {}

    const T& operator*() const { return *value_; }
    const T* operator->() const { return value_.get(); }
    /// Everything read from it before may be somebody else's now.
    T& edit() {
        if (value_.use_count() != 1) value_ = std::make_shared<T>(*value_);
        ++edits_;
        hashed_ = false;
        return *value_;
    }
    /// How often it may have changed.
    [[nodiscard]] std::uint64_t edits() const { return edits_; }
    [[nodiscard]] bool same_as(const Cow& other) const { return value_ == other.value_; }

    /// Hash of the value, kept until the next edit. `f` makes one hash for each renaming of the nodes.
    template <class Hashes, class F>
    const Hashes& hashes(std::shared_ptr<const Hashes>& kept, F&& f) const {
        if (!hashed_ || !kept) {
            kept = std::make_shared<const Hashes>(f(*value_));
            hashed_ = true;
        }
        return *kept;
    }

  private:
    std::shared_ptr<T> value_;
    std::uint64_t edits_ = 0;
    mutable bool hashed_ = false;
};

}  // namespace pgaf::sim
