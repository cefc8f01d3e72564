#include "keeper/launcher/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace pgaf::launcher {
namespace {

/// The program has to answer its version by then.
constexpr int output_limit_ms = 10'000;
constexpr std::size_t output_limit_bytes = 64 * 1024;

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (auto& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

/// The launcher blocks its signals for signalfd and ignores SIGPIPE; a child must inherit neither.
void reset_signals() {
    struct sigaction fallback {};
    fallback.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &fallback, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// In the child, up to exec. Never returns; writes errno to `report` when the program could not be executed.
[[noreturn]] void become(const Command& command, char* const* argv, char* const* envp, pid_t parent, int report) {
    if (command.new_session)
        ::setsid();
    else
        ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, command.death_signal);
    // The launcher may have died before prctl: then no signal will ever come.
    if (::getppid() != parent) ::_exit(127);
    const int null = ::open("/dev/null", O_RDONLY);
    if (null < 0 || ::dup2(null, STDIN_FILENO) < 0 || (command.out >= 0 && ::dup2(command.out, STDOUT_FILENO) < 0) ||
        (command.err >= 0 && ::dup2(command.err, STDERR_FILENO) < 0)) {
        const int code = errno;
        [[maybe_unused]] const auto told = ::write(report, &code, sizeof code);
        ::_exit(127);
    }
    if (null > STDERR_FILENO) ::close(null);
    reset_signals();
    ::execve(command.path.c_str(), argv, envp);
    const int code = errno;
    [[maybe_unused]] const auto told = ::write(report, &code, sizeof code);
    ::_exit(127);
}

}  // namespace

Result<pid_t> spawn(const Command& command) {
    std::vector<std::string> args{command.path};
    args.insert(args.end(), command.args.begin(), command.args.end());
    auto environment = command.environment;
    const auto argv = pointers(args);
    const auto envp = pointers(environment);

    // Closed by a successful exec, so that the parent reads either an errno or the end.
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return error(command.path + ": pipe: " + std::strerror(errno));
    Fd reader(report[0]);
    Fd writer(report[1]);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return error(command.path + ": fork: " + std::strerror(errno));
    if (child == 0) become(command, argv.data(), envp.data(), parent, report[1]);
    writer.reset();

    int code = 0;
    ssize_t got = 0;
    do got = ::read(reader.get(), &code, sizeof code);
    while (got < 0 && errno == EINTR);
    if (got == 0) return child;
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return error("cannot execute " + command.path + ": " + std::strerror(got > 0 ? code : EIO));
}

Fd open_pidfd(pid_t pid) {
    return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool send_signal(const Fd& pidfd, int signal) {
    return pidfd && ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

std::string describe_wait_status(int status) {
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    return "exit code " + std::to_string(WEXITSTATUS(status));
}

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<std::string> output_of(const std::string& path, const std::vector<std::string>& args) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return error(path + ": pipe: " + std::strerror(errno));
    Fd reader(ends[0]);
    Fd writer(ends[1]);
    const auto pid = spawn({.path = path,
                            .args = args,
                            .environment = child_environment({}),
                            .out = writer.get(),
                            .err = -1,
                            .death_signal = SIGKILL,
                            .new_session = false});
    if (!pid) return pid.error();
    writer.reset();
    std::string text;
    bool complete = false;
    pollfd waiting{reader.get(), POLLIN, 0};
    while (text.size() < output_limit_bytes && ::poll(&waiting, 1, output_limit_ms) > 0) {
        char buffer[4096];
        const auto got = ::read(reader.get(), buffer, sizeof buffer);
        if (got <= 0) {
            complete = got == 0;
            break;
        }
        text.append(buffer, static_cast<std::size_t>(got));
    }
    if (!complete) ::kill(*pid, SIGKILL);
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!complete) return error(path + " did not answer within 10 s");
    if (exit_code_of(status) != 0) return error(path + " failed: " + describe_wait_status(status));
    return text;
}

std::vector<std::string> child_environment(const std::vector<std::string>& added) {
    std::vector<std::string> result;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const bool postgres =
            text.starts_with("PG") && !text.starts_with("PGAF_") && !text.starts_with("PG_OOM_ADJUST_");
        const auto name = text.substr(0, text.find('=') + 1);
        const bool replaced =
            std::any_of(added.begin(), added.end(), [&](const auto& a) { return a.starts_with(name); });
        if (!postgres && !replaced) result.push_back(text);
    }
    result.insert(result.end(), added.begin(), added.end());
    return result;
}

}  // namespace pgaf::launcher
