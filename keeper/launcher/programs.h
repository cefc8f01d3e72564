// Finds PostgreSQL's programs and tells their version. Runs `postgres --version` and nothing else.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <string>

#include "common/result.h"

namespace pgaf::launcher {

/// Oldest major version that pgaf can work with (R6 needs settings that are older, rejoin needs pg_rewind of 13).
inline constexpr int oldest_major = 13;

struct Binaries {
    std::string dir;
    /// "15.13", as `postgres --version` says it.
    std::string version;
    int major = 0;
    [[nodiscard]] std::string path(const std::string& program) const { return dir + "/" + program; }
};

/// "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)" -> "15.13"; "18beta1" stays. Empty when it is none.
[[nodiscard]] std::string parse_version(const std::string& output);
/// 15 for "15.13" and for "15beta1"; 0 when there is none.
[[nodiscard]] int major_of(const std::string& version);

class Programs {
  public:
    /// `bin_dir`: where to look; empty: the newest that suits the data folder, among the usual places and $PATH.
    Programs(std::string data_dir, std::string bin_dir) : data_dir_(std::move(data_dir)), given_(std::move(bin_dir)) {}

    /// Whether there is a data folder that a server could be started on.
    [[nodiscard]] Result<bool> has_data() const;
    /// Programs that suit the data folder as it is now: a clone may have made it one of another major version.
    Result<Binaries> find();

  private:
    [[nodiscard]] Result<Binaries> look_into(const std::string& dir);

    std::string data_dir_;
    std::string given_;
    /// The latest answer, good as long as the program's file is the same (a package may be upgraded at any time).
    Binaries known_;
    ino_t known_inode_ = 0;
    std::time_t known_changed_ = 0;
};

}  // namespace pgaf::launcher
