// What this process takes of its machine, under the names that Prometheus' own libraries use.
#pragma once

#include "common/metrics/family.h"

namespace pgaf::metrics {

struct Process {
    double cpu_seconds = 0;
    double resident_bytes = 0;
    double open_fds = 0;
    /// Unix time.
    double start_time = 0;
};

/// From /proc; what can't be read stays 0.
[[nodiscard]] Process this_process();

/// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_start_time_seconds. Without
/// labels: they are the process's, whatever it serves.
void add_process(Families& all);

}  // namespace pgaf::metrics
