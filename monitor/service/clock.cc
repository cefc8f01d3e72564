#include "monitor/service/clock.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

namespace pgaf::monitor {

Millis boot_time() {
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t);
    return Millis{static_cast<std::int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1000000};
}

std::int64_t wall_clock_unix_ms() {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

AwakeClock::AwakeClock(Millis longest_gap, std::function<Millis()> source)
    : longest_gap_(longest_gap), source_(std::move(source)), last_(source_()) {}

Millis AwakeClock::now() {
    const Millis time = source_();
    left_out_.v += std::max<std::int64_t>(0, time.v - last_.v - longest_gap_.v);
    last_ = time;
    return Millis{time.v - left_out_.v};
}

}  // namespace pgaf::monitor
