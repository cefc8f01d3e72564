// Configuration files: TOML against a table of options of every type. Whatever the file holds, there is a configuration
// or an error for people, and what was read can be asked for.
#include "common/config.h"
#include "tests/fuzz/fuzz.h"

namespace {

using pgaf::config::Type;

pgaf::config::Program program() {
    return {
        .name = "pgaf-fuzzed",
        .about = "fuzzed",
        .env_prefix = "PGAF_FUZZED_",
        .options = {
            {.name = "listen", .type = Type::text, .fallback = "127.0.0.1:1", .check = pgaf::config::check_host_port},
            {.name = "node", .type = Type::text, .check = pgaf::config::check_node_name},
            {.name = "pgdata", .type = Type::text, .check = pgaf::config::check_absolute_path},
            {.name = "level", .type = Type::text, .fallback = "info", .words = {"debug", "info"}},
            {.name = "port", .type = Type::integer, .fallback = "5432", .min = 1, .max = 65535},
            {.name = "tls.on", .type = Type::boolean, .fallback = "no"},
            {.name = "hosts", .type = Type::list, .separator = ';', .check = pgaf::config::check_host_port},
            {.name = "parameters", .type = Type::table}}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const pgaf::fuzz::Folder folder;
    static const pgaf::config::Program options = program();
    const auto file = folder.write("fuzzed.toml", pgaf::fuzz::as_text(data, size));
    const auto start = pgaf::config::start(options, {"--config", file}, {});
    if (!start.config) {
        pgaf::fuzz::require(start.exit_code == 2 && !start.err.empty(), "bad input ends with exit code 2 and a reason");
        return 0;
    }
    const auto& config = *start.config;
    const auto port = config.integer("port");
    pgaf::fuzz::require(port >= 1 && port <= 65535, "a port within its bounds");
    pgaf::fuzz::require(config.text("level") == "info" || config.text("level") == "debug", "one of the words");
    for (const auto& host : config.list("hosts"))
        pgaf::fuzz::require(pgaf::config::check_host_port(host).empty(), "each item is checked");
    return 0;
}
