// The file beside the store by which the store knows that it was put back or replaced (R11): it holds the store's life
// id and how many commits it has seen. A backup of the store alone does not hold it, so a restored store and this file
// do not fit.
//
// The order. A commit of the store is durable before the file says so; a file that is never ahead of its own store
// cannot accuse it. It is written in place, one sector, with no fsync: the kernel is told to write it out at once and
// nobody waits. When the process dies it is at most the last commit behind; after a power loss it may be a moment
// older, which hides only a backup made within that moment, and those commits that keepers have heard of show
// themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/ids.h"
#include "common/result.h"

namespace pgaf::monitor {

struct StoreLife {
    /// 16 random hex digits.
    std::string life;
    std::uint64_t commits = 0;
    /// The newest term that a monitor began on the store.
    Term term;
};

class LifeFile {
  public:
    /// Creates an empty one when there is none. Errors: a folder or file that cannot be written.
    static Result<LifeFile> open(const std::string& path);
    LifeFile() = default;
    LifeFile(LifeFile&& other) noexcept;
    LifeFile& operator=(LifeFile&& other) noexcept;
    ~LifeFile();

    /// What it says; nothing when it is empty, torn, or no such file.
    [[nodiscard]] std::optional<StoreLife> read() const;
    /// It was there, and is not empty.
    [[nodiscard]] bool has_text() const;
    /// On the way to the disk on return.
    Result<void> note(const StoreLife& life);
    /// The same, and on the disk on return, its name too.
    Result<void> note_durably(const StoreLife& life);

  private:
    std::string path_;
    int fd_ = -1;
};

}  // namespace pgaf::monitor
