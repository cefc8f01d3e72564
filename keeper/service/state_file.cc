#include "keeper/service/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/json.h"

namespace pgaf::keeper {
namespace {

constexpr int format = 1;
constexpr std::size_t largest = 4 * 1024 * 1024;
constexpr const char* remedy =
    "restore it from where it was lost, or remove it: the node then counts as a new incarnation and joins again by "
    "itself. "
    "Remove it only while another node of the cluster is healthy";

std::string reason() {
    return std::strerror(errno);
}

/// A file descriptor that closes itself.
struct Fd {
    int fd;
    explicit Fd(int descriptor) : fd(descriptor) {}
    ~Fd() {
        if (fd >= 0) ::close(fd);
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    [[nodiscard]] bool ok() const { return fd >= 0; }
};

std::uint32_t checksum(const std::string& text) {
    boost::crc_32_type crc;
    crc.process_bytes(text.data(), text.size());
    return crc.checksum();
}

Result<std::string> read_whole(int fd) {
    std::string text;
    char buffer[16384];
    for (;;) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error(reason());
        if (n == 0) return text;
        text.append(buffer, static_cast<std::size_t>(n));
        // Enough to see that it is none; parse() says so.
        if (text.size() > largest) return text;
    }
}

/// The promise in a state file's text; an error says what is wrong with it.
Result<Promise> parse(const std::string& text) {
    if (text.size() > largest) return error("it is larger than any state file");
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object()) return error("it is torn or no JSON");
    const auto version = json.find("format");
    const auto content = json.find("promise");
    const auto crc = json.find("crc32");
    if (version == json.end() || content == json.end() || crc == json.end() || !version->is_number_integer() ||
        !crc->is_number_unsigned())
        return error("it lacks format, promise or crc32");
    if (version->get<int>() != format)
        return error("its format is " + version->dump() + ", this keeper reads " + std::to_string(format) +
                     ": it was written by another version of pgaf");
    // Not narrowed: a larger number is wrong, too.
    if (crc->get<std::uint64_t>() != checksum(content->dump())) return error("its checksum is wrong");
    auto promise = from_json<Promise>(*content);
    if (promise && promise->incarnation.empty()) return error("it names no incarnation");
    return promise;
}

Result<> write_durably(const std::string& path, const std::string& text) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.ok()) return error(path + ": " + reason());
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(file.fd, text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error(path + ": " + reason());
        done += static_cast<std::size_t>(n);
    }
    if (::fsync(file.fd) != 0) return error(path + ": fsync: " + reason());
    return {};
}

}  // namespace

StateFile::StateFile(std::filesystem::path folder, ClusterName cluster, NodeName node, int lock)
    : folder_(std::move(folder)), cluster_(std::move(cluster)), node_(std::move(node)), lock_(lock) {}

StateFile::StateFile(StateFile&& other) noexcept
    : folder_(std::move(other.folder_)),
      cluster_(std::move(other.cluster_)),
      node_(std::move(other.node_)),
      lock_(std::exchange(other.lock_, -1)) {}

StateFile::~StateFile() {
    if (lock_ >= 0) ::close(lock_);
}

std::string StateFile::path() const {
    return (folder_ / "state.json").string();
}

Result<StateFile> StateFile::open(const std::filesystem::path& folder, ClusterName cluster, NodeName node) {
    std::error_code failed;
    std::filesystem::create_directories(folder.parent_path(), failed);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return error("cannot make the state folder " + folder.string() + ": " + reason() +
                     "; set state_dir to a folder that this user may write");
    const std::string name = (folder / "keeper.lock").string();
    const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return error("cannot open " + name + ": " + reason() +
                     "; state_dir has to be a folder that this user may write");
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        const bool taken = errno == EWOULDBLOCK;
        const std::string why = reason();
        ::close(lock);
        return error(taken ? "another pgaf-keeper uses the state folder " + folder.string() +
                                 ": stop it first, or give this node its own state_dir"
                           : "cannot lock " + name + ": " + why);
    }
    return StateFile(folder, std::move(cluster), std::move(node), lock);
}

Result<StateFile::Loaded> StateFile::load() const {
    const Fd file(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.ok() && errno == ENOENT) {
        Loaded fresh;
        fresh.fresh = true;
        fresh.promise.cluster = cluster_;
        fresh.promise.node = node_;
        fresh.promise.incarnation = IncarnationId{random_id()};
        return fresh;
    }
    if (!file.ok()) return error("cannot read the state file " + path() + ": " + reason());
    const auto text = read_whole(file.fd);
    if (!text) return error("cannot read the state file " + path() + ": " + text.error().message);
    const auto promise = parse(*text);
    if (!promise) return error("the state file " + path() + " is damaged: " + promise.error().message + "; " + remedy);
    if (promise->cluster != cluster_ || promise->node != node_)
        return error("the state file " + path() + " belongs to node " + promise->node.v + " of cluster " +
                     promise->cluster.v + ", but this keeper is configured as node " + node_.v + " of cluster " +
                     cluster_.v + ": give each node its own state_dir and pgdata");
    return Loaded{*promise, false};
}

Result<> StateFile::store(const Promise& promise) const {
    const auto content = to_json(promise);
    const nlohmann::json whole{{"format", format}, {"crc32", checksum(content.dump())}, {"promise", content}};
    const auto failed = [this](const std::string& why) {
        return error("cannot write the state file " + path() + ": " + why +
                     "; nothing is promised and nothing done until it can be written");
    };
    const std::string beside = path() + ".new";
    if (const auto written = write_durably(beside, whole.dump(2) + "\n"); !written)
        return failed(written.error().message);
    if (::rename(beside.c_str(), path().c_str()) != 0) return failed("rename: " + reason());
    const Fd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.ok() || ::fsync(folder.fd) != 0) return failed("fsync of the folder: " + reason());
    return {};
}

}  // namespace pgaf::keeper
