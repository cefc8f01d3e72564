// What is to happen, in the order of the virtual clock. At one and the same time the first that was planned comes
// first, so that a seed always gives the same run.
#pragma once

#include <algorithm>
#include <vector>

#include "tests/sim/event.h"

namespace pgaf::sim {

class Agenda {
  public:
    struct Entry {
        Micros when = 0;
        std::uint64_t order = 0;
        Event event;
    };

    void at(Micros when, const Event& event) {
        heap_.push_back({when, ++planned_, event});
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    [[nodiscard]] bool empty() const { return heap_.empty(); }
    [[nodiscard]] Micros next() const { return heap_.front().when; }
    Entry pop() {
        std::pop_heap(heap_.begin(), heap_.end(), later);
        const Entry entry = heap_.back();
        heap_.pop_back();
        return entry;
    }
    /// All of it; for worlds without a clock, where any of these may come next.
    [[nodiscard]] const std::vector<Entry>& entries() const { return heap_; }
    void forget(std::size_t index) { heap_.erase(heap_.begin() + static_cast<std::ptrdiff_t>(index)); }
    void clear() { heap_.clear(); }

  private:
    static bool later(const Entry& a, const Entry& b) { return a.when != b.when ? a.when > b.when : a.order > b.order; }
    std::vector<Entry> heap_;
    std::uint64_t planned_ = 0;
};

}  // namespace pgaf::sim
