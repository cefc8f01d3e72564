// Bad input: one clear line for each thing that is wrong, which says where it is and what is allowed.
#include "fixture.h"

namespace pgaf::config {
namespace {

using Catch::Contains;

std::string refusal(const List& flags, const Environment& environment = {}) {
    List args{"run"};
    args.insert(args.end(), flags.begin(), flags.end());
    const auto start = config::start(demo_program(), args, environment);
    CHECK_FALSE(start.config);
    CHECK(start.exit_code == 2);
    CHECK(start.out.empty());
    return start.err;
}

std::string refusal_of_file(const std::string& text, mode_t mode = 0644) {
    const Folder folder;
    return refusal({"--config", folder.write("demo.toml", text, mode)});
}

TEST_CASE("An unknown key names file, line, the near one and the allowed ones") {
    const auto text = refusal_of_file("node = \"n1\"\n\nprot = 5432\n");
    CHECK_THAT(text, Contains("demo.toml:3: unknown key 'prot'; did you mean 'port'? allowed: node, port, log_level"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\n[tls]\nkey = \"x\"\n"), Contains("demo.toml:3: unknown key 'tls.key'"));
    CHECK_THAT(refusal({"--node", "n1"}, {{"PGAF_DEMO_PROT", "1"}}),
               Contains("environment: unknown key 'PGAF_DEMO_PROT'; did you mean 'PGAF_DEMO_PORT'?"));
    CHECK_THAT(refusal({"--node", "n1", "--prot", "1"}), Contains("--prot") && Contains("Try: pgaf-demo run --help"));
}

TEST_CASE("Variables that Kubernetes sets for a service of our name are not ours") {
    const auto start =
        config::start(demo_program(), {"run", "--node", "n1"},
                      {{"PGAF_DEMO_SERVICE_HOST", "10.0.0.1"}, {"PGAF_DEMO_PORT_5431_TCP", "tcp://10.0.0.1:5431"}});
    CHECK(start.config);
}

TEST_CASE("A bad value names its source and what is allowed") {
    CHECK_THAT(refusal_of_file("node = \"n1\"\nport = 70000\n"),
               Contains("demo.toml:2: port: 70000 is out of range; allowed: 1 to 65535"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nport = \"5432\"\n"),
               Contains("demo.toml:2: port: expected a whole number"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nlog_level = \"loud\"\n"),
               Contains("demo.toml:2: log_level: 'loud' is not allowed; allowed: debug, info, warning"));
    CHECK_THAT(refusal_of_file("node = \"N1\"\n"), Contains("demo.toml:1: node: 'N1' is not a node name: at most 24"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nmonitor = [\"a:1\", \"b\"]\n"),
               Contains("demo.toml:2: monitor: 'b' is not HOST:PORT"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nmonitor = [1]\n"), Contains("demo.toml:2: monitor: expected a text"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nreplication_quorum = \"yes\"\n"), Contains("expected true or false"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nparameters = 1\n"), Contains("expected a section [parameters]"));
    CHECK_THAT(refusal({"--node", "n1", "--port", "12x"}), Contains("--port: port: '12x' is not a whole number"));
    CHECK_THAT(refusal({"--node", "n1"}, {{"PGAF_DEMO_REPLICATION_QUORUM", "maybe"}}),
               Contains("PGAF_DEMO_REPLICATION_QUORUM: replication_quorum: 'maybe' is not a yes or no"));
    CHECK_THAT(refusal({"--node", "n1", "--parameters", "work_mem"}),
               Contains("'work_mem' is not of the form NAME=VALUE"));
}

TEST_CASE("Everything that is wrong is told at once") {
    const auto text = refusal_of_file("node = \"N1\"\nport = 0\nprot = 1\n");
    CHECK_THAT(text,
               Contains("demo.toml:1: node") && Contains("demo.toml:2: port") && Contains("demo.toml:3: unknown"));
}

TEST_CASE("A bad value in a weaker source is told although a stronger one hides it") {
    const Folder folder;
    const auto file = folder.write("demo.toml", "node = \"n1\"\nport = 0\n");
    CHECK_THAT(refusal({"--config", file, "--port", "5432"}), Contains("demo.toml:2: port: 0 is out of range"));
}

TEST_CASE("A file that cannot be read, or is no TOML, or is far too long") {
    CHECK_THAT(refusal({"--config", "/nonexistent/x.toml"}),
               Contains("/nonexistent/x.toml: opening failed: No such file"));
    CHECK_THAT(refusal({"--config", "/tmp"}), Contains("/tmp: is a folder"));
    CHECK_THAT(refusal_of_file("node = \"n1\"\nport = = 3\n"), Contains("demo.toml:2: not valid TOML"));
    CHECK_THAT(refusal_of_file(std::string(1100000, '#')), Contains("larger than 1 MB"));
}

TEST_CASE("What is missing is told with the ways to give it") {
    CHECK_THAT(refusal({}),
               Contains("node is missing (name of this node): give --node, or node in the configuration file, "
                        "or PGAF_DEMO_NODE"));
    CHECK_THAT(refusal_of_file("node = \"\"\n"), Contains("demo.toml:1: node: must not be empty"));
}

TEST_CASE("No command, or another one, is a usage error") {
    for (const List& args : {List{}, List{"go"}, List{"run", "stray"}}) {
        const auto ended = start(demo_program(), args, {});
        CHECK_FALSE(ended.config);
        CHECK(ended.exit_code == 2);
        CHECK_FALSE(ended.err.empty());
    }
}

TEST_CASE("A check of several values together has the last word") {
    auto program = demo_program();
    program.check = [](const Config& config) -> std::vector<std::string> {
        if (config.integer("port") == 8008) return {config.source("port") + ": port: 8008 is the health port"};
        return {};
    };
    CHECK(start(program, {"run", "--node", "n1"}, {}).config);
    CHECK(start(program, {"run", "--node", "n1", "--port", "8008"}, {}).err ==
          "pgaf-demo: --port: port: 8008 is the health port\n");
}

TEST_CASE("Secrets: not as flags, not in a file that others can read, not in messages") {
    CHECK_THAT(refusal({"--node", "n1", "--password", "hunter2"}), Contains("--password"));
    const auto open = refusal_of_file("node = \"n1\"\npassword = \"hunter2\"\n", 0640);
    CHECK_THAT(open, Contains("demo.toml:2: password: a secret in a file that others can read; run: chmod 600") &&
                         !Contains("hunter2"));
    const Folder folder;
    const auto file = folder.write("demo.toml", "node = \"n1\"\npassword = \"hunter2\"\n", 0600);
    CHECK(start(demo_program(), {"run", "--config", file}, {}).config->text("password") == "hunter2");

    auto program = demo_program();
    program.options.back().check = [](const std::string&) { return std::string("too short"); };
    const auto refused = start(program, {"run", "--node", "n1"}, {{"PGAF_DEMO_PASSWORD", "hunter2"}});
    CHECK_THAT(refused.err, Contains("PGAF_DEMO_PASSWORD: password: value is too short") && !Contains("hunter2"));
}

TEST_CASE("A secret file is for its owner alone and holds one line") {
    const Folder folder;
    CHECK(read_secret_file(folder.write("a", "s3cret\n", 0600)).value() == "s3cret");
    CHECK(read_secret_file(folder.write("b", "s3cret", 0400)).value() == "s3cret");
    const auto why = [&](const std::string& text, mode_t mode) {
        const auto secret = read_secret_file(folder.write("c", text, mode));
        REQUIRE(secret.has_error());
        CHECK_THAT(secret.error().message, Contains(folder.path("c")) && !Contains("s3cret"));
        return secret.error().message;
    };
    CHECK_THAT(why("s3cret\n", 0644), Contains("chmod 600"));
    CHECK_THAT(why("s3cret\n", 0620), Contains("chmod 600"));
    CHECK_THAT(why("\n", 0600), Contains("is empty"));
    CHECK_THAT(why("s3cret\nmore\n", 0600), Contains("more than one line"));
    CHECK(read_secret_file(folder.path("none")).has_error());
}

}  // namespace
}  // namespace pgaf::config
