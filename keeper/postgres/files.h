// Small files that have to be whole or not there: read, replaced atomically and durably, removed. Every error names the
// file and what to do. Knows nothing of what the files mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace pgaf::keeper {

[[nodiscard]] bool file_exists(const std::string& path);
/// The whole file, at most 4 MiB.
[[nodiscard]] Result<std::string> read_file(const std::string& path);
///   durable  survives a power loss: fsync of the file and of the folder
///   atomic   whole or not there for whoever reads it now; for what is written anew before it counts after a crash,
///            since an fsync on a busy disk takes as long as the rest of a fence
enum class Write { durable, atomic };
/// Temp file beside it, then rename.
[[nodiscard]] Result<> write_file(const std::string& path, const std::string& text, unsigned mode = 0600,
                                  Write how = Write::durable);
/// Does nothing when the file already holds that text.
[[nodiscard]] Result<> write_file_if_changed(const std::string& path, const std::string& text, unsigned mode = 0600,
                                             Write how = Write::durable);
/// Removes a file durably; one that is not there is well.
[[nodiscard]] Result<> remove_file(const std::string& path);
[[nodiscard]] Result<> sync_folder(const std::string& path);
/// Makes all of the file system that holds a folder durable: one flush, where an fsync of each of a thousand files
/// would be a thousand.
[[nodiscard]] Result<> sync_filesystem(const std::string& folder);
/// Makes a folder (0700) and its parents.
[[nodiscard]] Result<> make_folder(const std::string& path);
/// Removes all that a folder holds, not the folder: it may be a mount point.
[[nodiscard]] Result<> empty_folder(const std::string& path);
/// Copies a file and makes the copy durable (not its name: sync_folder). Half a copy is removed.
[[nodiscard]] Result<> copy_file(const std::string& from, const std::string& to);
/// Names in a folder.
[[nodiscard]] Result<std::vector<std::string>> read_folder(const std::string& path);
/// The same for what nothing depends on: empty when it can't be read.
[[nodiscard]] std::vector<std::string> list_folder(const std::string& path);
/// A secret of one line in a file that nobody else can read.
[[nodiscard]] Result<std::string> read_secret(const std::string& path);

/// "<what> <path>: <reason of errno>", with the remedy where there is a usual one (disk full, permissions, read-only).
[[nodiscard]] Error file_error(const std::string& what, const std::string& path, int error_number);

/// Closes a file descriptor when it goes out of scope.
class Fd {
  public:
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd();
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_;
};

}  // namespace pgaf::keeper
