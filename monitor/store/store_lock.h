// One monitor per store: a lock on a file beside it that ends with the process, however it ends.
#pragma once

#include <string>

#include "common/result.h"

namespace pgaf::monitor {

class StoreLock {
  public:
    /// Locks `path` (created when missing). The error names the process that holds it.
    static Result<StoreLock> take(const std::string& path);
    StoreLock() = default;
    StoreLock(StoreLock&& other) noexcept;
    StoreLock& operator=(StoreLock&& other) noexcept;
    ~StoreLock();

  private:
    int fd_ = -1;
};

}  // namespace pgaf::monitor
