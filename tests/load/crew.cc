#include "tests/load/crew.h"

#include <semaphore>
#include <thread>

namespace pgaf::load {

void run_crew(const std::vector<std::function<void()>>& jobs, std::int64_t duration_s, milliseconds grace,
              LogWriter& log, const StopSwitch& stop, const StopSwitch& cut) {
    std::counting_semaphore<> finished(0);
    std::vector<std::thread> threads;
    for (const std::function<void()>& job : jobs)
        threads.emplace_back([&job, &finished] {
            job();
            finished.release();
        });
    stop.wait_until(duration_s > 0 ? Clock::now() + std::chrono::seconds(duration_s) : Clock::time_point::max());
    Line end;
    end.kind = 'E';
    end.at_ns = now_ns();
    log.append(end);
    stop.throw_switch();
    // Statements under way get a moment, so that few outcomes stay unknown.
    const Clock::time_point deadline = Clock::now() + grace;
    for (std::size_t count = 0; count < jobs.size() && finished.try_acquire_until(deadline); ++count) continue;
    cut.throw_switch();
    for (std::thread& thread : threads) thread.join();
}

}  // namespace pgaf::load
