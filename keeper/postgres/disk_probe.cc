#include "keeper/postgres/disk_probe.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <utility>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds interval{1000};
/// As much as the time between two questions may count for: looks at a server that gives no answer take this long, and
/// what is more may be a freeze of this process, in which no write could end.
constexpr milliseconds longest_gap{2000};
constexpr const char* file_name = "pgaf_disk_probe";
/// The last one that was written whole. It stays until the next is: that one needs room of its own, as PostgreSQL's
/// next block does, and can't take what the probe itself has just given back.
constexpr const char* kept_name = "pgaf_disk_probe.kept";
constexpr const char* what = "the disk takes no writes: ";

std::optional<DiskSpace> space_of(const std::string& folder) {
    struct statvfs info {};
    if (::statvfs(folder.c_str(), &info) != 0) return std::nullopt;
    return DiskSpace{std::uint64_t{info.f_bavail} * info.f_frsize, std::uint64_t{info.f_blocks} * info.f_frsize};
}

}  // namespace

struct DiskProbe::Shared {
    std::mutex mutex;
    std::condition_variable woken;
    bool ended = false;
    bool running = false;
    std::vector<std::string> folders;
    /// Of the last round that has ended.
    std::string error;
    std::optional<DiskSpace> space;
    /// The folder whose write is under way, and its number; empty between writes.
    std::string under_way;
    std::uint64_t number = 0;
    /// The write that trouble() has seen under way, how long, and when it was last asked.
    std::uint64_t seen = 0;
    milliseconds waited{0};
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
                const auto room = space_of(folder);
                lock.lock();
                under_way.clear();
                if (now == folders && folder == now.front()) space = room;
                if (found.empty()) found = wrong;
                if (now == folders) continue;
                woken.notify_all();
                break;
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
    shared_->space.reset();
    shared_->woken.notify_all();
    if (std::exchange(shared_->running, true)) return;
    std::thread([shared = shared_] { shared->probe_for_ever(); }).detach();
}

void DiskProbe::leave() {
    watch({});
    std::unique_lock lock(shared_->mutex);
    shared_->woken.wait(lock, [&] { return shared_->under_way.empty(); });
}

std::string DiskProbe::trouble() {
    Shared& s = *shared_;
    const std::scoped_lock lock(s.mutex);
    if (s.folders.empty()) return {};
    const auto now = Clock::now();
    if (s.under_way.empty() || std::exchange(s.seen, s.number) != s.number)
        s.waited = milliseconds(0);
    else
        s.waited += std::min(std::chrono::duration_cast<milliseconds>(now - s.asked), longest_gap);
    s.asked = now;
    if (s.waited < milliseconds(limit_.v)) return s.error;
    return what + ("a write to " + s.under_way) + "/" + file_name +
           " does not come to an end; look at the disk and at the kernel's log";
}

std::optional<DiskSpace> DiskProbe::space() const {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->space;
}

bool is_probe_file(std::string_view name) {
    return name == file_name || name == kept_name;
}

std::string write_probe(const std::string& folder) {
    const std::string path = folder + "/" + file_name;
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) {
        // The folder is not there: somebody else says so.
        return errno == ENOENT ? "" : what + file_error("opening", path, errno).message;
    }
    // Two of PostgreSQL's blocks.
    static constexpr std::array<char, 16384> blocks{};
    errno = ENOSPC;  // what a write that ends early means
    if (::pwrite(fd.get(), blocks.data(), blocks.size(), 0) != static_cast<ssize_t>(blocks.size()))
        return what + file_error("writing", path, errno).message;
    if (::fsync(fd.get()) != 0) return what + file_error("syncing", path, errno).message;
    const std::string kept = folder + "/" + kept_name;
    if (::rename(path.c_str(), kept.c_str()) != 0) return what + file_error("renaming", path, errno).message;
    return {};
}

}  // namespace pgaf::keeper
