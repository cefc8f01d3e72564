// The story of a run, a line for each thing worth telling. Kept only when a run is to be told; bounded.
#pragma once

#include <deque>
#include <string>

#include "tests/sim/ids.h"

namespace pgaf::sim {

class Trace {
  public:
    explicit Trace(std::size_t lines_kept) : kept_(lines_kept) {}

    void add(Micros when, NodeIx node, const std::string& what);
    /// Many of them in a row become one line.
    void acknowledged(Micros when, NodeIx node, std::uint32_t commit, const std::string& lsn);
    /// The newest lines, oldest first.
    [[nodiscard]] const std::deque<std::string>& lines() const { return lines_; }
    [[nodiscard]] std::size_t left_out() const { return left_out_; }
    /// Of everything that was told, kept or not: two runs of one seed have the same.
    [[nodiscard]] std::uint64_t hash() const { return hash_; }
    [[nodiscard]] std::string hash_text() const;

  private:
    std::size_t kept_;
    std::size_t left_out_ = 0;
    std::uint64_t hash_ = 14695981039346656037ULL;
    std::deque<std::string> lines_;
    NodeIx last_acknowledged_by_ = nobody;
    std::uint32_t first_commit_ = 0;
};

/// "12.345678"
[[nodiscard]] std::string clock_text(Micros when);

}  // namespace pgaf::sim
