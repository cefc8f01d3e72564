// What the log of values alone says: whether a register went back, a sum changed, and how old stale reads were. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/load/log.h"

namespace pgaf::load {

/// In this time somebody has promoted this server ("host:port") past the cluster: whoever asks it then is told what a
/// standby had, on a timeline that is none of the cluster's. Times of CLOCK_MONOTONIC.
struct ByHand {
    std::string server;
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;
};

/// In this time something was wrong for which the design allows older reads of a server that was replaced (I7).
struct Slack {
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;
    std::int64_t limit_ns = 0;
};

class ValueJudge {
  public:
    /// A server that was replaced may show what was so before, for at most so long after it was superseded (R8);
    /// negative: for any time. Only reads that were sent after `stale_since_ns` count as stale.
    explicit ValueJudge(std::uint64_t sum, std::int64_t stale_limit_ns = -1, std::int64_t stale_since_ns = 0)
        : sum_(sum), stale_limit_(stale_limit_ns), stale_since_(stale_since_ns) {}

    /// Reads of these servers in these times say nothing of the cluster.
    void leave_out(std::vector<ByHand> by_hand) { by_hand_ = std::move(by_hand); }

    /// Of a value that went on to be shown in one of these times, reads may be as old as the widest of them allows.
    void allow(std::vector<Slack> slacks) { slacks_ = std::move(slacks); }

    void take(const Line& line);

    /// Register -> the largest value that somebody was told of: every server has to have it, or a larger one, in the
    /// end.
    [[nodiscard]] std::map<std::uint32_t, std::uint64_t> known() const;

    [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
    [[nodiscard]] std::uint64_t unknown() const { return unknown_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }
    [[nodiscard]] std::uint64_t transfers() const { return transfers_; }
    [[nodiscard]] std::uint64_t reads() const { return reads_; }
    /// Reads of a value that an older timeline showed after a newer one had superseded it, and the age of the oldest.
    [[nodiscard]] std::uint64_t stale_reads() const { return stale_reads_; }
    [[nodiscard]] std::int64_t oldest_stale_ns() const { return oldest_stale_; }
    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
    [[nodiscard]] std::uint64_t violation_count() const { return violation_count_; }

  private:
    static constexpr std::size_t violations_kept = 10;

    /// From this time on the register was known to have at least this value.
    struct Known {
        std::int64_t at_ns = 0;
        std::uint64_t value = 0;
        std::uint32_t timeline = 0;
        std::string server = {};
    };

    void learn(const Line& line);
    void read(const Line& line);
    void violate(std::string what);
    [[nodiscard]] bool is_by_hand(const Line& line) const;
    /// How old a read may be that was sent then, of a value that was superseded then.
    [[nodiscard]] std::int64_t stale_limit(std::int64_t superseded_ns, std::int64_t sent_ns) const;

    std::vector<ByHand> by_hand_;
    std::vector<Slack> slacks_;
    std::uint64_t sum_;
    std::int64_t stale_limit_;
    std::int64_t stale_since_;
    /// Rising in time and value.
    std::map<std::uint32_t, std::vector<Known>> registers_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t unknown_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t transfers_ = 0;
    std::uint64_t reads_ = 0;
    std::uint64_t stale_reads_ = 0;
    std::int64_t oldest_stale_ = 0;
    std::vector<std::string> violations_;
    std::uint64_t violation_count_ = 0;
};

}  // namespace pgaf::load
