// main() of the tests on real PostgreSQL, which refuses to run as root: as root they become user postgres, after the
// programs under test were copied to where that user can execute them.
#define CATCH_CONFIG_RUNNER
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>

#include "tests/support/live.h"

namespace pgaf::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string>& programs() {
    static std::map<std::string, std::string> instance;
    return instance;
}

void find_programs(const std::optional<fs::path>& copy_to) {
    std::istringstream list(PGAF_TEST_PROGRAMS);
    for (std::string path; std::getline(list, path, ':');) {
        const auto name = fs::path(path).filename();
        programs()[name] = path;
        if (!copy_to) continue;
        fs::copy_file(path, *copy_to / name);
        programs()[name] = *copy_to / name;
    }
}

bool become_postgres() {
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr) return std::cerr << "there is no user postgres to run PostgreSQL as\n", false;
    if (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)
        return std::perror("becoming user postgres"), false;
    // A process that has changed its user is hidden from its new one: it could not look into its own /proc.
    ::prctl(PR_SET_DUMPABLE, 1);
    ::setenv("HOME", user->pw_dir, 1);
    ::setenv("USER", user->pw_name, 1);
    return true;
}

/// Sanitizers of the programs under test (presets asan and tsan) write their reports into this folder from now on, for
/// few tests look at the exit code of each. Without sanitizers nothing is written.
void collect_reports(const std::string& folder) {
    fs::create_directory(folder);
    fs::permissions(folder, fs::perms(01777));
    for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
        const char* given = std::getenv(name);
        const std::string before = given == nullptr ? "" : given + std::string(":");
        ::setenv(name, (before + "log_exe_name=1:log_path=" + folder + "/report").c_str(), 1);
    }
}

/// Shows what was reported; false when that is nothing.
bool show_reports(const std::string& folder) {
    bool any = false;
    for (const auto& entry : fs::directory_iterator(folder)) {
        std::cerr << "---- a sanitizer's " << entry.path() << "\n" << read_text(entry.path()) << std::endl;
        any = true;
    }
    return any;
}

/// Removes this run's folders, once and again while servers that lose their launcher still write.
void clear_away(const std::string& prefix) {
    for (int round = 0; round < 50; ++round) {
        bool left = false;
        for (const char* parent : {"/tmp", "/dev/shm"}) {
            std::error_code ignored;
            for (const auto& entry : fs::directory_iterator(parent, ignored)) {
                if (!entry.path().filename().string().starts_with(prefix)) continue;
                fs::remove_all(entry.path(), ignored);
                left = true;
            }
        }
        if (!left) return;
        ::usleep(100'000);
    }
}

/// A process that outlives this one, also when it is killed, and then clears away what it has left. It learns of the
/// end by a pipe that nobody else holds.
bool start_guard() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return std::perror("pipe"), false;
    const std::string prefix = folder_prefix();
    const pid_t pid = ::fork();
    if (pid < 0) return std::perror("fork"), false;
    if (pid > 0) return ::close(ends[0]) == 0;
    ::setsid();  // not reached by what a terminal sends to the run
    // Whoever reads the run's output is not to wait for this process.
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(::open("/dev/null", O_RDWR), fd);
    ::close(ends[1]);
    char byte = 0;
    while (::read(ends[0], &byte, 1) < 0 && errno == EINTR) continue;
    clear_away(prefix);
    ::_exit(0);
}

}  // namespace

std::string program(const std::string& name) {
    return programs().at(name);
}

}  // namespace pgaf::test

int main(int argc, char** argv) {
    using namespace pgaf::test;
    if (!start_guard()) return 1;
    const std::string reports = "/tmp/" + folder_prefix() + "reports";
    collect_reports(reports);
    std::optional<fs::path> copies;
    if (::geteuid() == 0) {
        std::string pattern = "/tmp/" + folder_prefix() + "XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) return std::perror("mkdtemp"), 1;
        copies = pattern;
        fs::permissions(*copies, fs::perms(0755));
    }
    find_programs(copies);
    if (copies) {
        const passwd* user = ::getpwnam("postgres");
        if (user != nullptr && ::chown(copies->c_str(), user->pw_uid, user->pw_gid) != 0)
            return std::perror("chown"), 1;
        if (!become_postgres()) return 1;
    }
    fs::current_path("/tmp");  // the folder that root has started this in may be closed to its new user
    int code = Catch::Session().run(argc, argv);
    if (show_reports(reports)) code = 1;
    std::error_code ignored;  // what is left over is a copy of programs, and an empty folder
    fs::remove_all(reports, ignored);
    if (copies) fs::remove_all(*copies, ignored);
    return code;
}
