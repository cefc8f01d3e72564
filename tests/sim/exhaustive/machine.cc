#include "tests/sim/exhaustive/machine.h"

#include <algorithm>

namespace pgaf::exhaustive {

Lsn lsn_of(const Wal& wal, std::size_t entries) {
    std::uint64_t lsn = 0x5000100;
    for (std::size_t i = 0; i < entries; ++i)
        lsn = wal[i].torn ? (lsn / segment_bytes + 1) * segment_bytes : lsn + 0x100;
    return Lsn{lsn};
}

std::vector<TimelineFork> forks_of(const Wal& wal) {
    std::vector<TimelineFork> forks;
    std::uint8_t timeline = 1;
    for (std::size_t i = 0; i < wal.size(); ++i) {
        if (wal[i].timeline == timeline) continue;
        forks.push_back({Timeline{timeline}, lsn_of(wal, i)});
        timeline = wal[i].timeline;
    }
    return forks;
}

bool is_prefix(const Wal& wal, const Wal& other) {
    return wal.size() <= other.size() && std::equal(wal.begin(), wal.end(), other.begin());
}

std::uint32_t commits_of(const Wal& wal) {
    std::uint32_t bits = 0;
    for (const Entry& e : wal)
        if (e.commit != 0 && !e.torn) bits |= 1U << e.commit;
    return bits;
}

}  // namespace pgaf::exhaustive
