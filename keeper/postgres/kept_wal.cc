#include "keeper/postgres/kept_wal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <vector>

#include "keeper/postgres/files.h"
#include "keeper/postgres/history.h"
#include "keeper/postgres/wal_files.h"

namespace pgaf::keeper {
namespace fs = std::filesystem;
namespace {

struct Segment {
    std::string name;
    Lsn start;
};

/// Oldest first, as far as the limit reaches.
std::vector<Segment> segments_of(const KeepWal& what, const std::vector<std::string>& names,
                                 std::uint64_t segment_bytes) {
    std::vector<Segment> segments;
    for (const std::string& name : names) {
        SegmentName parsed;
        if (!parse_segment_name(name, parsed)) continue;
        if (!what.timeline.empty() && parsed.timeline != what.timeline) continue;
        const Lsn start = segment_start(parsed, segment_bytes);
        if (start.v + segment_bytes <= what.from.v) continue;
        if (!what.until.empty() && start >= what.until) continue;
        segments.push_back({name, start});
    }
    std::sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) {
        return a.start != b.start ? a.start < b.start : a.name < b.name;
    });
    return segments;
}

std::uint64_t folder_bytes(const std::string& path) {
    std::uint64_t bytes = 0;
    std::error_code ec;
    for (fs::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) bytes += it->file_size(ec);
    return bytes;
}

/// The oldest go first; their names begin with the time.
Result<> make_room(const KeepWal& what, std::uint64_t wanted) {
    std::vector<std::string> folders = list_folder(what.kept_dir);
    std::sort(folders.begin(), folders.end());
    std::uint64_t bytes = wanted;
    for (const std::string& name : folders) bytes += folder_bytes(what.kept_dir + "/" + name);
    for (const std::string& name : folders) {
        if (bytes <= what.limit_bytes) break;
        const std::string path = what.kept_dir + "/" + name;
        bytes -= std::min(bytes, folder_bytes(path));
        std::error_code ec;
        fs::remove_all(path, ec);
        if (ec) return file_error("removing", path, ec.value());
    }
    return {};
}

std::string new_folder_name(const IncarnationId& incarnation) {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
    return std::string(text) + "-" + (incarnation.empty() ? "unknown" : incarnation.v);
}

Result<> take_aside(const std::string& from, const std::string& to, bool move) {
    if (move && ::rename(from.c_str(), to.c_str()) == 0) return {};
    if (move && errno != EXDEV) return file_error("moving", from, errno);
    if (auto done = copy_file(from, to); !done) return done;
    return move ? remove_file(from) : Result<>{};
}

/// Replaces a segment by one that holds what stood before `offset`, and zeros after it.
Result<> cut_segment(const std::string& path, std::uint64_t offset, std::uint64_t segment_bytes) {
    const std::string cut = path + ".cut";
    if (auto done = copy_file(path, cut); !done) return done;
    const Fd fd(::open(cut.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return file_error("opening", cut, errno);
    if (::ftruncate(fd.get(), static_cast<off_t>(offset)) != 0 ||
        ::ftruncate(fd.get(), static_cast<off_t>(segment_bytes)) != 0)
        return file_error("cutting", cut, errno);
    if (::fsync(fd.get()) != 0) return file_error("syncing", cut, errno);
    if (::rename(cut.c_str(), path.c_str()) != 0) return file_error("replacing", path, errno);
    return {};
}

/// The newest first: whoever is interrupted leaves a tail that is still torn, and is done again.
Result<> take_all_aside(const KeepWal& what, const std::vector<Segment>& segments, const std::string& folder,
                        std::uint64_t segment_bytes) {
    for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
        const std::string path = what.wal_dir + "/" + segment->name;
        const bool stays = what.move && segment->start < what.from;
        if (auto done = take_aside(path, folder + "/" + segment->name, what.move && !stays); !done) return done;
        if (!what.move) continue;
        if (auto done = sync_folder(folder); !done) return done;
        if (stays)
            if (auto done = cut_segment(path, what.from.v - segment->start.v, segment_bytes); !done) return done;
        if (auto done = sync_folder(what.wal_dir); !done) return done;
    }
    return {};
}

}  // namespace

bool has_kept_wal(const std::string& kept_dir, const IncarnationId& incarnation) {
    for (const std::string& name : list_folder(kept_dir))
        if (name.ends_with("-" + incarnation.v)) return true;
    return false;
}

Result<std::string> keep_wal(const KeepWal& what) {
    const auto names = read_folder(what.wal_dir);
    if (!names) return names.error().in("keeping WAL aside before it is replaced");
    const auto segment_bytes = segment_size(what.wal_dir);
    if (!segment_bytes) return segment_bytes.error().in("keeping WAL aside before it is replaced");
    if (*segment_bytes == 0) return std::string{};
    std::vector<Segment> segments = segments_of(what, *names, *segment_bytes);
    // What is moved away must go as a whole, whatever the limit says.
    const std::size_t most = what.move ? segments.size() : what.limit_bytes / *segment_bytes;
    const bool cut = segments.size() > most;
    if (cut) segments.resize(most);
    if (segments.empty()) return std::string{};
    if (auto done = make_room(what, segments.size() * *segment_bytes); !done) return done.error();
    const std::string folder = what.kept_dir + "/" + new_folder_name(what.incarnation);
    if (auto done = make_folder(folder); !done) return done.error();
    if (auto done = take_all_aside(what, segments, folder, *segment_bytes); !done) {
        std::error_code ec;
        // All of it is still where it was: the room is needed for the next attempt.
        if (!what.move) fs::remove_all(folder, ec);
        return done.error().in("keeping WAL aside before it is replaced");
    }
    for (const std::string& name : *names) {
        if (timeline_of_history_file(name).empty()) continue;
        if (auto done = copy_file(what.wal_dir + "/" + name, folder + "/" + name); !done) return done.error();
    }
    const Lsn last{segments.back().start.v + *segment_bytes - 1};
    std::string text = "WAL " + std::max(what.from, segments.front().start).text() + " to " +
                       (what.until.empty() ? last : std::min(what.until, last)).text() + " is kept in " + folder;
    if (cut) text += " (what follows it is more than the limit for kept WAL, and is not)";
    const std::string note = text + "\nIt was in " + what.wal_dir + ", of incarnation " + what.incarnation.v +
                             ".\nWhy: " + what.why +
                             "\nRead it with pg_waldump; remove the folder when nobody misses anything.\n";
    if (auto done = write_file(folder + "/README", note); !done) return done.error();
    if (auto done = sync_folder(folder); !done) return done.error();
    if (auto done = sync_folder(what.kept_dir); !done) return done.error();
    return text;
}

Result<std::string> keep_histories(const std::string& wal_dir, const std::string& kept_dir,
                                   const IncarnationId& incarnation, const std::vector<Timeline>& timelines) {
    const std::string folder = kept_dir + "/" + new_folder_name(incarnation) + "-history";
    std::string names;
    for (const Timeline timeline : timelines) {
        const std::string name = history_file_name(timeline);
        if (!file_exists(wal_dir + "/" + name)) continue;
        if (auto done = make_folder(folder); !done) return done.error();
        auto done = take_aside(wal_dir + "/" + name, folder + "/" + name, true);
        if (!done) return done.error().in("moving a stray history file aside");
        names += (names.empty() ? "" : ", ") + name;
    }
    if (names.empty()) return std::string{};
    for (const std::string& changed : {folder, kept_dir, wal_dir})
        if (auto done = sync_folder(changed); !done) return done.error();
    return names + " of " + wal_dir + ", left by a promotion that was not finished, is kept in " + folder;
}

}  // namespace pgaf::keeper
