// pgaf-launcher: the parent of the postmaster. Reads its flags, refuses what PostgreSQL would refuse, and runs.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "common/config.h"
#include "common/log.h"
#include "keeper/launcher/keeper_link.h"
#include "keeper/launcher/launcher.h"

namespace pgaf::launcher {
namespace {

constexpr int exit_failed = 1;

config::Program program() {
    const auto path = [](const std::string& text) { return text.empty() ? "" : config::check_absolute_path(text); };
    const auto socket = [](const std::string& text) -> std::string {
        if (text.size() > max_socket_path)
            return "too long for a socket: at most " + std::to_string(max_socket_path) + " characters";
        return config::check_absolute_path(text);
    };
    return {
        .name = "pgaf-launcher",
        .about = "Starts and stops PostgreSQL on the keeper's word, and is its parent. Never starts it by itself.",
        .env_prefix = "PGAF_LAUNCHER_",
        .options = {
            {.name = "pgdata",
             .help = "PostgreSQL's data folder",
             .required = true,
             .check = config::check_absolute_path},
            {.name = "socket", .help = "Unix socket that the keeper connects to", .required = true, .check = socket},
            {.name = "bin_dir",
             .help = "folder of PostgreSQL's programs; default: the newest that suits the data folder",
             .check = path},
            {.name = "handover_limit",
             .type = config::Type::integer,
             .fallback = "30",
             .help = "seconds that the keeper gets for a handover after SIGTERM",
             .min = 0,
             .max = 3600},
            {.name = "log", .help = "file for PostgreSQL's standard error; default: the launcher's own", .check = path},
            {.name = "log_level",
             .fallback = "info",
             .help = "what the launcher itself logs",
             .words = {"debug", "info", "warning", "error", "off"}},
        }};
}

/// A descriptor of 0 to 2 that is closed would be given to a file, and PostgreSQL's output written into it.
void open_standard_descriptors() {
    int fd = 0;
    do fd = ::open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) ::close(fd);
}

int fail(const std::string& message) {
    std::cerr << "pgaf-launcher: " << message << "\n";
    return exit_failed;
}

int run(const config::Config& config) {
    if (::geteuid() == 0)
        return fail(
            "refuses to run as root, as PostgreSQL does: start it as the user that owns the data folder, for "
            "example with: setpriv --reuid=postgres --regid=postgres --init-groups pgaf-launcher ...");
    set_log_level(*log_level_from_word(config.text("log_level")));
    std::error_code failed;
    const auto data_dir = std::filesystem::weakly_canonical(config.text("pgdata"), failed);
    if (failed) return fail("--pgdata " + config.text("pgdata") + ": " + failed.message());
    if (std::filesystem::exists(data_dir, failed) && !std::filesystem::is_directory(data_dir, failed))
        return fail("--pgdata " + data_dir.string() + " is no folder");
    auto text = data_dir.string();
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();

    auto loop = EventLoop::make();
    if (!loop) return fail(loop.error().message);
    Launcher launcher(std::move(*loop),
                      {.data_dir = text,
                       .socket = config.text("socket"),
                       .bin_dir = config.text("bin_dir"),
                       .handover_limit = Millis{config.integer("handover_limit") * 1000},
                       .log_file = config.text("log")},
                      Log{}.with({{"program", "launcher"}}));
    const auto done = launcher.run();
    return done ? 0 : fail(done.error().message);
}

}  // namespace
}  // namespace pgaf::launcher

int main(int argc, char** argv) {
    pgaf::launcher::open_standard_descriptors();
    const auto start = pgaf::config::start(pgaf::launcher::program(), argc, argv);
    if (!start.config) return start.finish();
    return pgaf::launcher::run(*start.config);
}
