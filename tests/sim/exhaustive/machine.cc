#include "tests/sim/exhaustive/machine.h"

#include <algorithm>

namespace pgaf::exhaustive {

std::vector<TimelineFork> forks_of(const Wal& wal) {
    std::vector<TimelineFork> forks;
    std::uint8_t timeline = 1;
    for (std::size_t i = 0; i < wal.size(); ++i) {
        if (wal[i].timeline == timeline) continue;
        forks.push_back({Timeline{timeline}, lsn_of(i)});
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
        if (e.commit != 0) bits |= 1U << e.commit;
    return bits;
}

}  // namespace pgaf::exhaustive
