#include "keeper/postgres/initialise.h"

#include "keeper/postgres/files.h"
#include "keeper/postgres/lifecycle.h"
#include "keeper/postgres/passwords.h"
#include "keeper/postgres/role.h"

namespace pgaf::keeper {
namespace {

constexpr Millis start_limit{60000};

Async<Result<>> run_initdb(Node& node) {
    Program program;
    program.name = "initdb";
    program.args = {"--pgdata=" + node.config.data_dir,
                    "--username=" + node.config.superuser,
                    "--data-checksums",
                    "--no-sync",
                    "--auth-local=peer",
                    "--auth-host=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8"};
    co_return co_await run_program(node, std::move(program), {});
}

}  // namespace

Async<Result<>> initialise(Node& node, const Initialise& step, const Progress& progress) {
    if (auto done = node.need_stopped(); !done) co_return done;
    if (node.data.has_content() && !node.data.rebuilding())
        co_return error("the data folder " + node.config.data_dir +
                        " is not empty: move its contents away, or set another one");
    if (auto done = check_passwords(node.config); !done) co_return done;
    progress("initdb");
    const std::string begun = "its initialisation was begun";
    if (auto done = co_await begin_rebuild(node, begun); !done) co_return done;
    if (auto done = make_folder(node.config.data_dir); !done) co_return done;
    if (auto done = empty_folder(node.config.data_dir); !done) co_return done;
    if (auto done = co_await run_initdb(node); !done) co_return done;
    Variable alone;
    alone.socket_only = true;
    if (auto done = node.know(step.layout); !done) co_return done;
    if (auto done = node.data.write_settings(alone); !done) co_return done;
    if (auto done = node.data.write_access(Layout{}, false); !done) co_return done;
    if (auto done = co_await start_and_wait(node, progress, start_limit); !done) co_return done;
    progress("creating the role for replication");
    auto made = co_await ensure_role(node);
    if (made) made = co_await give_superuser_password(node);
    const auto stopped = co_await node.launcher.stop(StopMode::fast);
    if (!made) co_return made;
    if (!stopped) co_return stopped.error();
    if (auto done = node.data.write_settings(Variable{}); !done) co_return done;
    if (auto done = node.data.write_access(step.layout, false); !done) co_return done;
    if (auto done = node.data.write_incarnation(step.layout.incarnation); !done) co_return done;
    if (auto done = co_await make_durable(node); !done) co_return done;
    co_return node.data.end_rebuild();
}

}  // namespace pgaf::keeper
