#include "common/metrics/process.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace pgaf::metrics {
namespace {

/// Unix time of the machine's start, by the kernel; it does not change while this process lives.
double boot_unix_seconds() {
    std::ifstream file("/proc/stat");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("btime ")) return std::stod(line.substr(6));
    }
    return 0;
}

double open_files() {
    std::error_code failed;
    double count = 0;
    for (std::filesystem::directory_iterator it("/proc/self/fd", failed), end; !failed && it != end;
         it.increment(failed))
        ++count;
    // Without the one that this look itself holds open.
    return count > 0 ? count - 1 : 0;
}

}  // namespace

Process this_process() {
    Process p;
    p.open_fds = open_files();
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    const auto name_end = line.rfind(')');
    if (name_end == std::string::npos) return p;
    // Behind "pid (name)": proc(5) counts the fields from 1, the state is number 3.
    std::istringstream fields(line.substr(name_end + 1));
    double user = 0;
    double system = 0;
    double started = 0;
    double pages = 0;
    std::string skipped;
    for (int field = 3; field <= 24 && fields; ++field) {
        if (field == 14)
            fields >> user;
        else if (field == 15)
            fields >> system;
        else if (field == 22)
            fields >> started;
        else if (field == 24)
            fields >> pages;
        else
            fields >> skipped;
    }
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    static const double boot = boot_unix_seconds();
    p.cpu_seconds = (user + system) / ticks;
    p.resident_bytes = pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
    p.start_time = boot + started / ticks;
    return p;
}

void add_process(Families& all) {
    const Process p = this_process();
    Family cpu{"process_cpu_seconds_total", "Processor time that this process has used, user and system together",
               prometheus::MetricType::Counter};
    Family memory{"process_resident_memory_bytes", "Memory of this process that is in RAM"};
    Family files{"process_open_fds", "Files and sockets that this process has open"};
    Family start{"process_start_time_seconds", "When this process began, as Unix time"};
    cpu.add({}, p.cpu_seconds);
    memory.add({}, p.resident_bytes);
    files.add({}, p.open_fds);
    start.add({}, p.start_time);
    for (Family* family : {&cpu, &memory, &files, &start}) family->give_to(all);
}

}  // namespace pgaf::metrics
