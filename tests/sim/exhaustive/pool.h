// Each different value is kept once and known by a small number. A world of the search is a handful of such numbers:
// parts that did not change are neither copied nor hashed again.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>

#include "tests/sim/exhaustive/fingerprint.h"

namespace pgaf::exhaustive {

/// Number 0 is "none".
template <class T>
class Pool {
  public:
    std::uint32_t put(T value) {
        const Fingerprint f = fingerprint(value);
        const auto [found, fresh] = numbers_.try_emplace(f, static_cast<std::uint32_t>(values_.size() + 1));
        if (fresh) values_.push_back(std::move(value));
        return found->second;
    }
    const T& operator[](std::uint32_t number) const { return values_[number - 1]; }
    [[nodiscard]] std::size_t size() const { return values_.size(); }

  private:
    std::deque<T> values_;
    boost::unordered_flat_map<Fingerprint, std::uint32_t, FingerprintHash> numbers_;
};

}  // namespace pgaf::exhaustive
