// Random numbers that are the same everywhere for the same seed (splitmix64).
#pragma once

#include <cstdint>

namespace pgaf::sim {

class Rng {
  public:
    explicit Rng(std::uint64_t seed = 0) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31U);
    }
    /// 0 to n - 1.
    std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : next() % n; }
    /// low to high, both included.
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low >= high ? low : low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
    }
    bool chance(double p) { return static_cast<double>(next() >> 11U) * 0x1.0p-53 < p; }

  private:
    std::uint64_t state_;
};

}  // namespace pgaf::sim
