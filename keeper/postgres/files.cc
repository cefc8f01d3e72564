#include "keeper/postgres/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace pgaf::keeper {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t max_file_bytes = std::size_t{4} << 20;

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

Result<> write_all(int fd, const std::string& path, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t written = ::write(fd, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return file_error("writing", path, errno);
        data += written;
        size -= static_cast<std::size_t>(written);
    }
    return {};
}

}  // namespace

Fd::~Fd() {
    if (fd_ >= 0) ::close(fd_);
}

Error file_error(const std::string& what, const std::string& path, int error_number) {
    std::string message = what + " " + path + ": " + std::strerror(error_number);
    if (error_number == ENOSPC || error_number == EDQUOT) message += "; free some space on its file system";
    if (error_number == EACCES || error_number == EPERM)
        message += "; it must belong to the user that pgaf-keeper runs as";
    if (error_number == EIO) message += "; its disk or file system has failed: look at the kernel's log";
    if (error_number == EISDIR) message += "; a folder stands where a file belongs: move it away";
    if (error_number == EROFS) message += "; mount its file system read-write";
    return error(std::move(message));
}

bool file_exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

Result<std::string> read_file(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return file_error("reading", path, errno);
    std::string text;
    char buffer[8192];
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_error("reading", path, errno);
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > max_file_bytes)
            return error("reading " + path + ": larger than 4 MiB, that is not what it should be");
    }
}

Result<> sync_folder(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return file_error("opening", path, errno);
    if (::fsync(fd.get()) != 0) return file_error("syncing", path, errno);
    return {};
}

Result<> sync_filesystem(const std::string& folder) {
    const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return file_error("opening", folder, errno);
    if (::syncfs(fd.get()) != 0) return file_error("syncing the file system of", folder, errno);
    return {};
}

Result<> write_file(const std::string& path, const std::string& text, unsigned mode, Write how) {
    const std::string temp = path + ".new";
    {
        const Fd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
        if (!fd) return file_error("writing", temp, errno);
        if (::fchmod(fd.get(), mode) != 0) return file_error("setting the mode of", temp, errno);
        if (auto done = write_all(fd.get(), temp, text.data(), text.size()); !done) return done;
        if (how == Write::durable && ::fsync(fd.get()) != 0) return file_error("syncing", temp, errno);
    }
    if (::rename(temp.c_str(), path.c_str()) != 0) return file_error("replacing", path, errno);
    return how == Write::durable ? sync_folder(folder_of(path)) : Result<>{};
}

Result<> write_file_if_changed(const std::string& path, const std::string& text, unsigned mode, Write how) {
    const auto old = read_file(path);
    if (old && *old == text) return {};
    return write_file(path, text, mode, how);
}

Result<> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0) {
        if (errno == ENOENT) return {};
        return file_error("removing", path, errno);
    }
    return sync_folder(folder_of(path));
}

Result<> make_folder(const std::string& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return {};
    const std::string parent = folder_of(path);
    if (parent != path && !parent.empty() && !fs::is_directory(parent, ec)) {
        if (auto done = make_folder(parent); !done) return done;
    }
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return file_error("making the folder", path, errno);
    return {};
}

Result<> empty_folder(const std::string& path) {
    std::error_code ec;
    for (const std::string& name : list_folder(path)) {
        fs::remove_all(path + "/" + name, ec);
        if (ec) return file_error("removing", path + "/" + name, ec.value());
    }
    return sync_folder(path);
}

namespace {

Result<> copy_all(const std::string& from, const std::string& to) {
    const Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!in) return file_error("reading", from, errno);
    const Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!out) return file_error("writing", to, errno);
    std::string buffer(std::size_t{1} << 20, '\0');
    for (;;) {
        const ssize_t got = ::read(in.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_error("reading", from, errno);
        if (got == 0) break;
        if (auto done = write_all(out.get(), to, buffer.data(), static_cast<std::size_t>(got)); !done) return done;
    }
    if (::fsync(out.get()) != 0) return file_error("syncing", to, errno);
    return {};
}

}  // namespace

Result<> copy_file(const std::string& from, const std::string& to) {
    auto done = copy_all(from, to);
    if (!done) ::unlink(to.c_str());
    return done;
}

Result<std::vector<std::string>> read_folder(const std::string& path) {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec))
        names.push_back(it->path().filename().string());
    if (ec) return file_error("reading the folder", path, ec.value());
    return names;
}

std::vector<std::string> list_folder(const std::string& path) {
    auto names = read_folder(path);
    return names ? *std::move(names) : std::vector<std::string>{};
}

Result<std::string> read_secret(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return file_error("reading the password file", path, errno);
    if (!S_ISREG(info.st_mode)) return error("the password file " + path + " is not a file; nobody waits for a pipe");
    if ((info.st_mode & 077) != 0)
        return error("the password file " + path + " can be read by others; run: chmod 600 " + path);
    auto text = read_file(path);
    if (!text) return text;
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    if (text->empty()) return error("the password file " + path + " is empty; write the password into it, on one line");
    if (text->find('\n') != std::string::npos) return error("the password file " + path + " has more than one line");
    return text;
}

}  // namespace pgaf::keeper
