// What a log alone says: how long no write was acknowledged, and whether two servers acknowledged at once. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/load/log.h"

namespace pgaf::load {

/// A time during which nobody's write was acknowledged.
struct Gap {
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;
    [[nodiscard]] std::int64_t length() const { return to_ns - from_ns; }
};

class Judge {
  public:
    /// An answer may reach the load late though the server gave it in time: so much later than the first
    /// acknowledgement of a newer timeline is no proof (more where the network itself is slow). A request that was sent
    /// after it always is.
    static constexpr std::int64_t late_limit_ns = 100'000'000;

    /// Only gaps that touch the window count for the outage.
    explicit Judge(std::int64_t since_ns = 0, std::int64_t until_ns = INT64_MAX, std::int64_t late_ns = late_limit_ns)
        : since_(since_ns), until_(until_ns), late_(late_ns) {}

    void take(const Line& line);

    [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
    [[nodiscard]] std::uint64_t unknown() const { return unknown_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }
    [[nodiscard]] const Gap& outage() const { return outage_; }
    /// Timelines that acknowledged, and on which server.
    [[nodiscard]] const std::map<std::uint32_t, std::string>& timelines() const { return owners_; }
    /// What must never happen: two servers acknowledging on one timeline, or an older timeline acknowledging after a
    /// newer one has. The first ones in words, and how many there were.
    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
    [[nodiscard]] std::uint64_t violation_count() const { return violation_count_; }

  private:
    static constexpr std::size_t violations_kept = 10;

    void acknowledge(const Line& line);
    void close_gap(std::int64_t at_ns);
    void violate(std::string what);

    std::int64_t since_;
    std::int64_t until_;
    std::int64_t late_;
    std::optional<std::int64_t> last_ack_;
    Gap outage_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t unknown_ = 0;
    std::uint64_t failed_ = 0;
    std::map<std::uint32_t, std::string> owners_;
    std::map<std::uint32_t, std::int64_t> first_ack_;
    std::vector<std::string> violations_;
    std::uint64_t violation_count_ = 0;
};

}  // namespace pgaf::load
