#include "keeper/postgres/disk_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds interval{1000};
constexpr const char* file_name = "/pgaf_disk_probe";
constexpr const char* what = "the disk takes no writes: ";

}  // namespace

struct DiskProbe::Shared {
    std::mutex mutex;
    std::condition_variable woken;
    bool ended = false;
    bool running = false;
    std::vector<std::string> folders;
    /// Of the last round that has ended.
    std::string error;
    /// The folder whose write is under way, and its number; empty between writes.
    std::string under_way;
    std::uint64_t number = 0;
    /// Since when trouble() sees that write under way, and when it was last asked.
    std::uint64_t seen = 0;
    Clock::time_point since;
    Clock::time_point asked;

    void probe_for_ever() {
        std::unique_lock lock(mutex);
        while (!ended) {
            const std::vector<std::string> now = folders;
            std::string found;
            for (const std::string& folder : now) {
                under_way = folder;
                ++number;
                lock.unlock();
                const std::string wrong = write_probe(folder);
                lock.lock();
                under_way.clear();
                if (found.empty()) found = wrong;
            }
            // Of folders that nobody asks for any more nothing is told.
            if (now == folders) error = found;
            woken.wait_for(lock, interval, [&] { return ended || now != folders; });
        }
    }
};

DiskProbe::DiskProbe(Millis limit) : shared_(std::make_shared<Shared>()), limit_(limit) {}

DiskProbe::~DiskProbe() {
    const std::scoped_lock lock(shared_->mutex);
    shared_->ended = true;
    shared_->woken.notify_all();
}

void DiskProbe::watch(std::vector<std::string> folders) {
    const std::scoped_lock lock(shared_->mutex);
    if (folders == shared_->folders) return;
    shared_->folders = std::move(folders);
    shared_->error.clear();
    shared_->woken.notify_all();
    if (std::exchange(shared_->running, true)) return;
    std::thread([shared = shared_] { shared->probe_for_ever(); }).detach();
}

std::string DiskProbe::trouble() {
    Shared& s = *shared_;
    const std::scoped_lock lock(s.mutex);
    if (s.folders.empty()) return {};
    const auto now = Clock::now();
    const milliseconds limit(limit_.v);
    if (s.seen != s.number || now - s.asked > limit / 2) {
        s.seen = s.number;
        s.since = now;
    }
    s.asked = now;
    const auto waited = std::chrono::duration_cast<std::chrono::seconds>(now - s.since);
    if (!s.under_way.empty() && now - s.since >= limit)
        return what + ("a write to " + s.under_way) + file_name + " has not ended for " +
               std::to_string(waited.count()) + " s; look at the disk and at the kernel's log";
    return s.error;
}

std::string write_probe(const std::string& folder) {
    const std::string path = folder + file_name;
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) {
        // The folder is not there: somebody else says so.
        return errno == ENOENT ? "" : what + file_error("opening", path, errno).message;
    }
    static constexpr std::array<char, 4096> page{};
    if (::pwrite(fd.get(), page.data(), page.size(), 0) != static_cast<ssize_t>(page.size()))
        return what + file_error("writing", path, errno).message;
    if (::fsync(fd.get()) != 0) return what + file_error("syncing", path, errno).message;
    return {};
}

}  // namespace pgaf::keeper
