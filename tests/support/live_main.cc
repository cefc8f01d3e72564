// main() of the tests on real PostgreSQL, which refuses to run as root: as root they become user postgres, after the
// programs under test were copied to where that user can execute them.
#define CATCH_CONFIG_RUNNER
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
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

}  // namespace

std::string program(const std::string& name) {
    return programs().at(name);
}

}  // namespace pgaf::test

int main(int argc, char** argv) {
    using namespace pgaf::test;
    std::optional<fs::path> copies;
    if (::geteuid() == 0) {
        std::string pattern = "/tmp/pgaf-XXXXXX";
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
    const int code = Catch::Session().run(argc, argv);
    std::error_code ignored;  // what is left over is a copy of programs
    if (copies) fs::remove_all(*copies, ignored);
    return code;
}
