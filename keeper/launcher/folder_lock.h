// One launcher for a data folder, whatever path or container it is reached by.
//
// Two locks: on a file beside the folder, which exists before the folder does and while it is replaced; and on the
// folder itself, which two containers share even where what lies beside it is not shared. No file inside the folder:
// initdb wants it empty, and a base backup would copy it. Advisory locks of one kernel: a folder on a network file
// system that two machines mount is outside their reach.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/log.h"
#include "common/result.h"
#include "keeper/launcher/fd.h"

namespace pgaf::launcher {

class FolderLock {
  public:
    FolderLock(std::string data_dir, Log log) : data_dir_(std::move(data_dir)), log_(std::move(log)) {}

    /// Both locks, as far as they can be had; an error when another launcher holds one.
    Result<> take();
    /// Again before each start: the folder may have been replaced by a clone since.
    Result<> renew();

    [[nodiscard]] std::string lock_file() const { return data_dir_ + ".pgaf-launcher.lock"; }

  private:
    [[nodiscard]] Error taken() const;

    std::string data_dir_;
    Log log_;
    Fd beside_;
    Fd folder_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace pgaf::launcher
