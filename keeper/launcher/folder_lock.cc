#include "keeper/launcher/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace pgaf::launcher {

Error FolderLock::taken() const {
    return error("another pgaf-launcher serves the data folder " + data_dir_ + " (it holds the lock " + lock_file() +
                 "): stop that one first, or give another --pgdata");
}

Result<> FolderLock::take() {
    Fd file(::open(lock_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    const int reason = errno;
    if (file) {
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) return taken();
            return error("cannot lock " + lock_file() + ": " + std::strerror(errno));
        }
        beside_ = std::move(file);
    }
    if (auto done = renew(); !done) return done;
    if (!beside_ && !folder_)
        return error("cannot create the lock file " + lock_file() + ": " + std::strerror(reason) +
                     ": create the data folder, or make the folder that will hold it writable for this user");
    if (!beside_)
        log_.warning("no_lock_file", "only the data folder itself is locked: the folder that holds it is not writable",
                     {{"file", lock_file()}, {"reason", std::strerror(reason)}});
    return {};
}

Result<> FolderLock::renew() {
    Fd folder(::open(data_dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) {
        if (errno == ENOENT) {
            folder_.reset();
            return {};
        }
        return error("cannot open the data folder " + data_dir_ + ": " + std::strerror(errno));
    }
    struct stat entry {};
    if (::fstat(folder.get(), &entry) != 0)
        return error("cannot look at the data folder " + data_dir_ + ": " + std::strerror(errno));
    if (folder_ && entry.st_dev == device_ && entry.st_ino == inode_) return {};
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return taken();
        // Network file systems lock no folders.
        if (!beside_) return error("cannot lock the data folder " + data_dir_ + ": " + std::strerror(errno));
        log_.warning("no_folder_lock", "only the file beside the data folder is locked",
                     {{"file", lock_file()}, {"reason", std::strerror(errno)}});
        return {};
    }
    folder_ = std::move(folder);
    device_ = entry.st_dev;
    inode_ = entry.st_ino;
    return {};
}

}  // namespace pgaf::launcher
