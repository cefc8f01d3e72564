#include "tests/support/live.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace pgaf::test {
namespace {

namespace fs = std::filesystem;

/// State and parent of a process, as /proc says; a state of 0 when it is gone.
std::pair<char, pid_t> state_of(pid_t pid) {
    const auto text = read_text("/proc/" + std::to_string(pid) + "/stat");
    const auto close = text.rfind(')');
    char state = 0;
    int parent = 0;
    if (close == std::string::npos || std::sscanf(text.c_str() + close + 1, " %c %d", &state, &parent) != 2)
        return {0, 0};
    return {state, parent};
}

std::vector<pid_t> all_processes() {
    std::vector<pid_t> result;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr == name.data() + name.size() && pid > 0)
            result.push_back(pid);
    }
    return result;
}

}  // namespace

std::string postgres_bin() {
    if (const char* given = std::getenv("PGAF_TEST_PG_BIN"); given != nullptr) return given;
    int newest = 0;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql"))
        if (fs::exists(entry.path() / "bin/postgres"))
            newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
    if (newest == 0) throw std::runtime_error("no PostgreSQL server programs under /usr/lib/postgresql");
    return "/usr/lib/postgresql/" + std::to_string(newest) + "/bin";
}

std::string roomy_parent() {
    std::error_code ec;
    const auto space = fs::space("/dev/shm", ec);
    const bool enough = !ec && space.available > (std::uintmax_t{4} << 30) && ::access("/dev/shm", W_OK) == 0;
    return enough ? "/dev/shm" : "/tmp";
}

std::string folder_prefix() {
    return "pgaf-" + std::to_string(::getpid()) + "-";
}

TempDir::TempDir(const std::string& parent) {
    std::string pattern = parent + "/" + folder_prefix() + "XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr)
        throw std::runtime_error("mkdtemp " + pattern + ": " + std::strerror(errno));
    path_ = pattern;
}

TempDir::~TempDir() {
    std::error_code ignored;  // a test that failed may have left a server that still writes
    fs::remove_all(path_, ignored);
}

Child::Child(const std::vector<std::string>& command, const std::string& output) {
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
    if (pid_ != 0) return;
    if (!output.empty()) {
        const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        ::dup2(fd, STDOUT_FILENO);
        ::dup2(fd, STDERR_FILENO);
    }
    // A test that crashes leaves nothing running: a launcher that dies takes PostgreSQL along.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Not the test's own connections: their other ends would never see them closed.
    ::close_range(3, ~0U, 0);
    ::execv(argv[0], argv.data());
    std::fprintf(stderr, "exec %s: %s\n", argv[0], std::strerror(errno));
    ::_exit(127);
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
Child& Child::operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
}

Child::~Child() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    static_cast<void>(wait());
}

void Child::signal(int number) const {
    ::kill(pid_, number);
}

int Child::wait(int limit_ms) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    pollfd waiting{fd, POLLIN, 0};
    const bool ended = fd >= 0 && ::poll(&waiting, 1, limit_ms) == 1;
    ::close(fd);
    if (!ended) return -1;
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Outcome run_command(const std::vector<std::string>& command) {
    const TempDir dir;
    Child child(command, dir / "output");
    const int code = child.wait(60'000);
    return {code, read_text(dir / "output")};
}

bool eventually(const std::function<bool()>& condition, int limit_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

std::vector<pid_t> processes_in(const std::string& dir) {
    std::vector<pid_t> result;
    for (const auto pid : all_processes()) {
        std::error_code gone;
        if (fs::read_symlink("/proc/" + std::to_string(pid) + "/cwd", gone) == fs::path(dir) && !gone)
            result.push_back(pid);
    }
    return result;
}

std::vector<pid_t> children_of(pid_t root) {
    std::vector<pid_t> result;
    for (const auto pid : all_processes())
        if (state_of(pid).second == root) result.push_back(pid);
    return result;
}

bool lives(pid_t pid) {
    const char state = state_of(pid).first;
    return state != 0 && state != 'Z' && state != 'X';
}

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_text(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace pgaf::test
