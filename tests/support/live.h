// What C++ tests on real PostgreSQL need: a user that PostgreSQL accepts, the programs under test where that user can
// execute them, temporary folders. Link pgaf_live_main, which has main(): as root it becomes user postgres first.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace pgaf::test {

/// Path of a program under test, by its name; the executable lists them in PGAF_TEST_PROGRAMS (see CMake).
[[nodiscard]] std::string program(const std::string& name);

/// Folder of PostgreSQL's programs that the tests use: the newest on this machine, or $PGAF_TEST_PG_BIN.
[[nodiscard]] std::string postgres_bin();

/// A folder of its own, removed at the end. Its path is short: sockets lie in it.
class TempDir {
  public:
    explicit TempDir(const std::string& parent = "/tmp");
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

/// How the names of all temporary folders of this run begin, so that they can be cleared away when it is killed.
[[nodiscard]] std::string folder_prefix();

/// Where whole servers go: memory when this machine has enough of it, since a slow disk makes tests slow and proves
/// nothing; else /tmp.
[[nodiscard]] std::string roomy_parent();

/// A child process that is killed, and waited for, at the latest when this goes.
class Child {
  public:
    Child() = default;
    /// Standard output and error go into `output`; empty: into the test's own.
    Child(const std::vector<std::string>& command, const std::string& output = {});
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    /// Its exit code (128 + n for signal n); -1 when it has not ended in time.
    [[nodiscard]] int wait(int limit_ms = 20'000);

  private:
    pid_t pid_ = 0;
};

/// Runs a command to its end; its exit code and all that it wrote.
struct Outcome {
    int code = -1;
    std::string output;
};
[[nodiscard]] Outcome run_command(const std::vector<std::string>& command);

/// Waits, by looking every few milliseconds, for what nothing else can tell; false when it has not come.
[[nodiscard]] bool eventually(const std::function<bool()>& condition, int limit_ms = 20'000);

/// Processes, also dead ones that nobody has reaped, whose working folder is `dir`, or that descend from `root`.
[[nodiscard]] std::vector<pid_t> processes_in(const std::string& dir);
[[nodiscard]] std::vector<pid_t> children_of(pid_t root);
/// Still there, and not a zombie.
[[nodiscard]] bool lives(pid_t pid);

[[nodiscard]] std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

}  // namespace pgaf::test
