// What the options are when all is well: the order of the sources, and each type from each source.
#include "fixture.h"

namespace pgaf::config {
namespace {

Config load(const List& flags, const Environment& environment = {}) {
    List args{"run"};
    args.insert(args.end(), flags.begin(), flags.end());
    auto start = config::start(demo_program(), args, environment);
    INFO(start.err);
    REQUIRE(start.config);
    return *start.config;
}

TEST_CASE("Flags are stronger than the environment, that than the file, that than the defaults") {
    const Folder folder;
    const auto file = folder.write("demo.toml", "node = \"n-file\"\nport = 1111\nlog_level = \"debug\"\n");
    SECTION("default") {
        CHECK(load({"--node", "n1"}).integer("port") == 5432);
    }
    SECTION("file") {
        const auto config = load({"--config", file});
        CHECK(config.integer("port") == 1111);
        CHECK(config.source("port") == file + ":2");
    }
    SECTION("environment") {
        const auto config = load({"--config", file}, {{"PGAF_DEMO_PORT", "2222"}, {"PORT", "9"}});
        CHECK(config.integer("port") == 2222);
        CHECK(config.source("port") == "PGAF_DEMO_PORT");
        CHECK(config.text("node") == "n-file");
    }
    SECTION("flag") {
        const auto config = load({"--config", file, "--port", "3333"}, {{"PGAF_DEMO_PORT", "2222"}});
        CHECK(config.integer("port") == 3333);
        CHECK(config.source("port") == "--port");
        CHECK(config.source("replication_quorum") == "default");
        CHECK(config.text("log_level") == "debug");
    }
    SECTION("the environment may name the file") {
        CHECK(load({}, {{"PGAF_DEMO_CONFIG", file}}).text("node") == "n-file");
    }
}

TEST_CASE("Every type can be written in a file") {
    const Folder folder;
    const auto file = folder.write("demo.toml", R"(node = "n1"
monitor = ["10.0.0.1:5431", "[::1]:5432"]
hba = ["host all,app all 10.0.0.0/8 scram-sha-256"]
replication_quorum = false
[parameters]
work_mem = "64MB"
max_connections = 50
random_page_cost = 1.1
jit = false
pg_stat_statements.max = 500
[tls]
cert_file = "/etc/pgaf/node.crt"
)");
    const auto config = load({"--config", file});
    CHECK(config.list("monitor") == List{"10.0.0.1:5431", "[::1]:5432"});
    CHECK(config.list("hba") == List{"host all,app all 10.0.0.0/8 scram-sha-256"});
    CHECK_FALSE(config.boolean("replication_quorum"));
    CHECK(config.table("parameters") == Table{{"work_mem", "64MB"},
                                              {"max_connections", "50"},
                                              {"random_page_cost", "1.1"},
                                              {"jit", "off"},
                                              {"pg_stat_statements.max", "500"}});
    CHECK(config.text("tls.cert_file") == "/etc/pgaf/node.crt");
    CHECK_FALSE(config.has("password"));
}

TEST_CASE("Every type can be given as a flag and in the environment") {
    const auto config = load({"--node", "n1", "--monitor", "a:1,b:2", "--monitor", "c:3", "--replication-quorum", "no",
                              "--parameters", "work_mem=1MB", "--tls-cert-file=/c"},
                             {{"PGAF_DEMO_HBA", "host a,b all all trust; local all all peer\n"},
                              {"PGAF_DEMO_PARAMETERS", "jit=off;work_mem=2MB"},
                              {"PGAF_DEMO_PASSWORD", "from the environment"}});
    CHECK(config.list("monitor") == List{"a:1", "b:2", "c:3"});
    CHECK(config.list("hba") == List{"host a,b all all trust", "local all all peer"});
    CHECK_FALSE(config.boolean("replication_quorum"));
    CHECK(config.text("tls.cert_file") == "/c");
    CHECK(config.text("password") == "from the environment");
    // Tables are merged name by name.
    CHECK(config.table("parameters") == Table{{"jit", "off"}, {"work_mem", "1MB"}});
}

TEST_CASE("--check-config, --help and version start nothing and exit with 0") {
    const Folder folder;
    const auto file = folder.write("demo.toml", "node = \"n1\"\n");
    const auto program = demo_program();
    const auto checked = start(program, {"run", "--check-config", "--config", file}, {});
    CHECK_FALSE(checked.config);
    CHECK(checked.exit_code == 0);
    CHECK(checked.out == file + ": ok\n");

    const auto help = start(program, {"run", "--help"}, {});
    CHECK_FALSE(help.config);
    CHECK(help.exit_code == 0);
    CHECK_THAT(help.out, Catch::Contains("--log-level") && Catch::Contains("PGAF_DEMO_PORT") &&
                             Catch::Contains("[5432]") && !Catch::Contains("--password"));

    CHECK(start(program, {"version"}, {}).out == "pgaf-demo " PGAF_VERSION "\n");
    CHECK(start(program, {"--version"}, {}).out == "pgaf-demo " PGAF_VERSION "\n");
}

TEST_CASE("--print-options prints every option with its default and bounds, for the reference") {
    auto program = demo_program();
    program.options.front().help = "this | that";
    const auto printed = start(program, {"run", "--print-options"}, {});
    CHECK_FALSE(printed.config);
    CHECK(printed.exit_code == 0);
    CHECK(printed.out == reference_table(program));
    CHECK_THAT(printed.out,
               Catch::Contains("| `node` | `PGAF_DEMO_NODE` | (required) | text | this \\| that |\n") &&
                   Catch::Contains("| `port` | `PGAF_DEMO_PORT` | `5432` | 1 to 65535 | port of PostgreSQL |\n") &&
                   Catch::Contains("| debug, info, warning |") && Catch::Contains("`PGAF_DEMO_TLS_CERT_FILE`") &&
                   Catch::Contains("password of the superuser (never a flag)"));
    CHECK_THAT(start(program, {"run", "--help"}, {}).out, !Catch::Contains("print-options"));

    program.command = program.default_file = "";
    CHECK_THAT(start(program, {"--print-options"}, {}).out, Catch::Contains("| `--tls-cert-file` |"));
}

TEST_CASE("A program without commands takes its options at once") {
    auto program = demo_program();
    program.command = "";
    program.default_file = "";
    const auto started = start(program, {"--node", "n1"}, {});
    REQUIRE(started.config);
    CHECK(started.config->text("node") == "n1");
}

TEST_CASE("The example file holds every option, and is right once the required ones are filled in") {
    const Folder folder;
    auto text = example_file(demo_program());
    for (const auto& option : demo_program().options) {
        const auto dot = option.name.find('.');
        CHECK_THAT(text, Catch::Contains(option.name.substr(dot == std::string::npos ? 0 : dot + 1)));
    }
    text.replace(text.find("node = \"\""), 9, "node = \"n1\"");
    CHECK(load({"--config", folder.write("demo.toml", text)}).text("node") == "n1");
}

TEST_CASE("A reload takes what can change, and names what can't") {
    const auto running = load({"--node", "n1"});
    CHECK(config::reload(running, load({"--node", "n1"}), {"log_level"}).taken.empty());
    const auto read = load({"--node", "n2", "--log-level", "debug", "--port", "7"});
    const auto news = config::reload(running, read, {"log_level", "port"});
    CHECK(news.taken == List{"log_level", "port"});
    CHECK(news.left == List{"node"});
    CHECK(news.running.text("log_level") == "debug");
    CHECK(news.running.integer("port") == 7);
    CHECK(news.running.text("node") == "n1");
    CHECK(
        news.text() ==
        "what the configuration says now holds for log_level, port; for node it holds after a restart of the program");
    // One that has no value any more has none; and the next time nothing is new.
    const auto back = config::reload(news.running, running, {"log_level", "port"});
    CHECK(back.running.integer("port") == 5432);
    CHECK(back.left.empty());
}

}  // namespace
}  // namespace pgaf::config
