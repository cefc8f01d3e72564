#include "keeper/launcher/programs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "keeper/launcher/process.h"

namespace pgaf::launcher {
namespace {

namespace fs = std::filesystem;

/// The usual places (Debian, then Red Hat), newest first, then those of $PATH.
std::vector<std::string> usual_places() {
    std::vector<std::pair<int, std::string>> versions;
    const auto add = [&](const std::string& parent, const std::string& prefix) {
        std::error_code failed;  // a place that is not there has no versions
        for (fs::directory_iterator at(parent, failed), end; !failed && at != end; at.increment(failed)) {
            const auto name = at->path().filename().string();
            if (!name.starts_with(prefix)) continue;
            if (const int major = major_of(name.substr(prefix.size())); major > 0)
                versions.emplace_back(major, (at->path() / "bin").string());
        }
    };
    add("/usr/lib/postgresql", "");
    add("/usr", "pgsql-");
    std::sort(versions.begin(), versions.end(), std::greater<>());
    std::vector<std::string> places;
    for (auto& [major, dir] : versions) places.push_back(std::move(dir));
    const char* path = std::getenv("PATH");
    std::istringstream rest(path == nullptr ? "" : path);
    for (std::string dir; std::getline(rest, dir, ':');)
        if (dir.starts_with('/')) places.push_back(dir);
    return places;
}

/// 0 when there is no data in the folder.
Result<int> data_major(const std::string& data_dir) {
    const auto name = data_dir + "/PG_VERSION";
    std::ifstream file(name);
    std::string text;
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) return 0;
        return error("cannot read " + name + ": " + std::strerror(errno));
    }
    std::getline(file, text);
    const int major = major_of(text);
    if (major == 0) return error(name + " holds no PostgreSQL version: is " + data_dir + " a data folder?");
    return major;
}

}  // namespace

std::string parse_version(const std::string& output) {
    static const std::string mark = "(PostgreSQL) ";
    const auto at = output.find(mark);
    if (at == std::string::npos) return {};
    const auto begin = at + mark.size();
    const auto version = output.substr(begin, output.find_first_of(" \n", begin) - begin);
    return major_of(version) > 0 ? version : std::string();
}

int major_of(const std::string& version) {
    int major = 0;
    for (const char c : version) {
        if (std::isdigit(static_cast<unsigned char>(c)) == 0 || major > 9999) break;
        major = major * 10 + (c - '0');
    }
    return major;
}

Result<Binaries> Programs::look_into(const std::string& dir) {
    const auto program = dir + "/postgres";
    struct stat entry {};
    if (::stat(program.c_str(), &entry) != 0 || ::access(program.c_str(), X_OK) != 0)
        return error("no PostgreSQL server program at " + program + ": " + std::strerror(errno) +
                     ": install the server package, or give its folder with --bin-dir");
    if (known_.dir == dir && known_inode_ == entry.st_ino && known_changed_ == entry.st_mtime) return known_;
    const auto output = output_of(program, {"--version"});
    if (!output) return output.error();
    Binaries binaries{.dir = dir, .version = parse_version(*output), .major = 0};
    binaries.major = major_of(binaries.version);
    if (binaries.major == 0) return error(program + " --version says no PostgreSQL version: " + *output);
    known_ = binaries;
    known_inode_ = entry.st_ino;
    known_changed_ = entry.st_mtime;
    return binaries;
}

Result<bool> Programs::has_data() const {
    const auto major = data_major(data_dir_);
    if (!major) return major.error();
    return *major != 0;
}

Result<Binaries> Programs::find() {
    const auto wanted = data_major(data_dir_);
    if (!wanted) return wanted.error();
    const auto too_old = [](int major) {
        return error("PostgreSQL " + std::to_string(major) + " is too old: pgaf works with " +
                     std::to_string(oldest_major) + " and newer");
    };
    if (*wanted != 0 && *wanted < oldest_major) return too_old(*wanted).in(data_dir_);
    if (!given_.empty()) {
        auto found = look_into(given_);
        if (!found) return found;
        if (found->major < oldest_major) return too_old(found->major).in(given_);
        if (*wanted != 0 && found->major != *wanted)
            return error("the data folder " + data_dir_ + " is of PostgreSQL " + std::to_string(*wanted) +
                         ", and the programs in " + given_ + " are " + found->version + ": give the right --bin-dir");
        return found;
    }
    auto places = usual_places();
    if (!known_.dir.empty()) places.insert(places.begin(), known_.dir);  // it most likely suits still, and is known
    for (const auto& dir : places) {
        auto found = look_into(dir);
        if (found && found->major >= oldest_major && (*wanted == 0 || found->major == *wanted)) return found;
    }
    const auto name = *wanted == 0 ? std::string("") : " " + std::to_string(*wanted);
    return error(
        "no programs of PostgreSQL" + name + (*wanted == 0 ? "" : ", which the data folder " + data_dir_ + " needs,") +
        " in /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin or $PATH: install the server package, or give --bin-dir");
}

}  // namespace pgaf::launcher
