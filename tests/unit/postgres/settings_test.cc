// pgaf.conf: what the cluster owns, sync rules as PostgreSQL spells them, what is refused.
#include <sys/stat.h>
#include <catch2/catch.hpp>
#include <utility>

#include "keeper/postgres/conf_text.h"
#include "keeper/postgres/passwords.h"
#include "keeper/postgres/settings.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

PostgresConfig some_config() {
    PostgresConfig config;
    config.cluster = ClusterName{"default"};
    config.node = NodeName{"node1"};
    config.data_dir = "/srv/data";
    config.state_dir = "/srv/data.pgaf";
    config.port = 6001;
    config.parameters = {{"shared_buffers", "1GB"}};
    return config;
}

Layout some_layout() {
    return {ClusterName{"default"},
            NodeName{"node1"},
            IncarnationId{"00000000000000aa"},
            {{NodeName{"node1"}, IncarnationId{"00000000000000aa"}, "10.0.0.1", 5432},
             {NodeName{"node2"}, IncarnationId{"00000000000000bb"}, "10.0.0.2", 5432},
             {NodeName{"node-3"}, IncarnationId{"00000000000000cc"}, "10.0.0.3", 5432}}};
}

}  // namespace

TEST_CASE("libraries to preload and their settings reach PostgreSQL as they are") {
    PostgresConfig config = some_config();
    config.parameters["shared_preload_libraries"] = "pg_stat_statements,pgaudit";
    config.parameters["pgaudit.log"] = "ddl, role";
    const std::string text = render_settings(config, Variable{}, 15);
    CHECK(conf_values(text).at("shared_preload_libraries") == "pg_stat_statements,pgaudit");
    CHECK(text.find("\npgaudit.log = 'ddl, role'\n") != std::string::npos);
}

TEST_CASE("owned settings come last, so nothing of the user's wins") {
    PostgresConfig config = some_config();
    config.parameters["wal_level"] = "logical";
    config.parameters["max_wal_senders"] = "40";
    const auto values = conf_values(render_settings(config, Variable{}, 15));
    CHECK(values.at("shared_buffers") == "1GB");
    CHECK(values.at("wal_level") == "logical");
    CHECK(values.at("max_wal_senders") == "40");
    CHECK(values.at("max_replication_slots") == "16");
    CHECK(values.at("synchronous_standby_names") == closed_rule);
    CHECK(values.at("primary_conninfo").empty());
    CHECK(values.at("restore_command").empty());
    CHECK(values.at("fsync") == "on");
    CHECK(values.at("full_page_writes") == "on");
    CHECK(values.at("wal_log_hints") == "on");
    CHECK(values.at("port") == "6001");
    CHECK(values.at("unix_socket_directories") == "/srv/data.pgaf");
    CHECK(values.at("wal_sender_timeout") == "2500ms");
    CHECK(values.at("hba_file") == "/srv/data/pg_hba.conf");
    for (const std::string& name : owned_settings())
        if (name != "data_directory" && name != "config_file") CHECK(values.contains(name));
}

TEST_CASE("what is written for each version from 13 to 18 is what that version knows") {
    for (int version = 13; version <= 18; ++version) {
        INFO(version);
        const auto values = conf_values(render_settings(some_config(), {}, version));
        CHECK(values.contains("recovery_init_sync_method") == (version >= 14));
        CHECK(values.contains("promote_trigger_file") == (version <= 15));
        // Since 13, and changed by reload since then: how a standby is pointed elsewhere.
        for (const char* name : {"wal_keep_size", "primary_conninfo", "primary_slot_name"})
            CHECK(values.contains(name));
        // Gone before 13.
        for (const char* name : {"wal_keep_segments", "standby_mode", "trigger_file"})
            CHECK_FALSE(values.contains(name));
    }
}

TEST_CASE("the timeouts of replication change, and nothing else does") {
    Variable variable;
    variable.standby_names = "ANY 1 (\"a\")";
    variable.replay_first = true;
    const std::string before = render_settings(some_config(), variable, 15);
    auto values = conf_values(with_timeouts(before, Millis{7000}));
    CHECK(values.at("wal_sender_timeout") == "7000ms");
    CHECK(values.at("wal_receiver_timeout") == "7000ms");
    auto old = conf_values(before);
    for (const char* name : {"wal_sender_timeout", "wal_receiver_timeout"}) old.erase(name), values.erase(name);
    CHECK(values == old);
    CHECK(with_timeouts(with_timeouts(before, Millis{7000}), Millis{7000}) == with_timeouts(before, Millis{7000}));
}

TEST_CASE("settings that a version does not know are left out") {
    CHECK(conf_values(render_settings(some_config(), {}, 15)).contains("promote_trigger_file"));
    CHECK_FALSE(conf_values(render_settings(some_config(), {}, 16)).contains("promote_trigger_file"));
    CHECK_FALSE(conf_values(render_settings(some_config(), {}, 18)).contains("promote_trigger_file"));
}

TEST_CASE("what varies is read back, and a private start listens nowhere") {
    Variable variable;
    variable.standby_names = "ANY 1 (\"pgaf_default_node2_00000000000000bb\")";
    variable.conninfo = upstream_conninfo(some_config(), some_layout().peers[1], "it's me", "");
    variable.slot = "pgaf_node1";
    CHECK(parse_settings(render_settings(some_config(), variable, 15)) == variable);
    variable.socket_only = true;
    CHECK(conf_values(render_settings(some_config(), variable, 15)).at("listen_addresses").empty());
    variable.replay_first = true;
    CHECK(conf_values(render_settings(some_config(), variable, 15)).at("max_standby_streaming_delay") == "0");
}

TEST_CASE("the user's parameters: owned and unsafe ones are refused by name") {
    CHECK(check_parameters({{"work_mem", "4MB"}, {"wal_level", "logical"}, {"max_wal_senders", "20"}}));
    CHECK(check_parameters({{"shared_preload_libraries", "pg_stat_statements,pgaudit"}, {"pgaudit.log", "ddl, role"}}));
    const auto fsync = check_parameters({{"fsync", "off"}});
    REQUIRE_FALSE(fsync);
    CHECK(fsync.error().message.find("always on") != std::string::npos);
    CHECK_FALSE(check_parameters({{"full_page_writes", "on"}}));
    CHECK_FALSE(check_parameters({{"synchronous_standby_names", "*"}}));
    CHECK_FALSE(check_parameters({{"wal_level", "minimal"}}));
    CHECK_FALSE(check_parameters({{"max_wal_senders", "2"}}));
    CHECK_FALSE(check_parameters({{"max_wal_senders", "many"}}));
    CHECK_FALSE(check_parameters({{"Port", "1"}}));
    CHECK_FALSE(check_parameters({{"work_mem", "1\nfsync = off"}}));
    CHECK_FALSE(check_parameters({{"work_mem = 1\nfsync", "off"}}));
    CHECK_FALSE(check_parameters({{"", "x"}}));
}

TEST_CASE("sync rules as PostgreSQL spells them: names always quoted (R14)") {
    const SyncRule both{1, {IncarnationId{"00000000000000bb"}, IncarnationId{"00000000000000cc"}}};
    const std::string names = "\"pgaf_default_node2_00000000000000bb\", \"pgaf_default_node-3_00000000000000cc\"";
    CHECK(*standby_names(both, some_layout()) == "ANY 1 (" + names + ")");
    CHECK(*padded_standby_names(both, some_layout()) == "FIRST 1 (\"pgaf pad\", " + names + ")");
    CHECK(standby_names({0, {}}, some_layout())->empty());
    // Writes wait until the rule has grown, or for a member whose folder is gone.
    CHECK(*standby_names({3, both.members}, some_layout()) == "ANY 3 (" + names + ")");
    CHECK(*standby_names({1, {}}, some_layout()) == closed_rule);
    CHECK(*padded_standby_names({1, {}}, some_layout()) == "FIRST 1 (\"pgaf pad\")");
    CHECK(*standby_names({1, {IncarnationId{"00000000000000ff"}}}, some_layout()) ==
          "ANY 1 (\"pgaf_default_gone_00000000000000ff\")");
}

TEST_CASE("upstream: the password stays in its file") {
    const std::string conninfo = upstream_conninfo(some_config(), some_layout().peers[1], "me", "postgres");
    CHECK(conninfo.find("host='10.0.0.2' port=5432 user=pgaf_replicator passfile='/srv/data.pgaf/pgpass'") == 0);
    CHECK(conninfo.find("dbname='postgres'") != std::string::npos);
    CHECK(conninfo.find("password") == std::string::npos);
    CHECK(passfile_text("a:b\\c") == "*:*:*:pgaf_replicator:a\\:b\\\\c\n");
}

TEST_CASE("a configuration that can't work is told at once") {
    const test::TempDir dir;
    PostgresConfig config = some_config();
    config.replication_password_file = dir / "password";
    CHECK(check_postgres_config(config).error().message.find("No such file") != std::string::npos);
    test::write_text(config.replication_password_file, "secret\n");
    ::chmod(config.replication_password_file.c_str(), 0644);
    CHECK(check_postgres_config(config).error().message.find("chmod 600") != std::string::npos);
    ::chmod(config.replication_password_file.c_str(), 0600);
    CHECK(check_postgres_config(config));
    const std::string pipe = dir / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const std::string file = std::exchange(config.replication_password_file, pipe);
    CHECK(check_postgres_config(config).error().message.find("is not a file") != std::string::npos);
    config.replication_password_file = file;
    config.socket_dir = "/" + std::string(100, 'x');
    CHECK(check_postgres_config(config).error().message.find("socket_dir") != std::string::npos);
    config.socket_dir = "/tmp";
    config.state_dir = "/srv/data/pgaf";
    CHECK(check_postgres_config(config).error().message.find("state_dir") != std::string::npos);
    config.state_dir = "/srv/data.pgaf";
    test::write_text(config.replication_password_file, "\n");
    CHECK(check_postgres_config(config).error().message.find("empty") != std::string::npos);
}

TEST_CASE("passwords come from a file or as text, and only once") {
    const test::TempDir dir;
    PostgresConfig config = some_config();
    config.replication_password_file.clear();
    config.superuser_password_file.clear();
    const auto wrong = [&config] {
        const auto checked = check_postgres_config(config);
        return checked ? std::string() : checked.error().message;
    };
    CHECK_THAT(wrong(), Catch::Contains("PGAF_KEEPER_REPLICATION_PASSWORD"));
    config.replication_password = "s3cret";
    CHECK(check_postgres_config(config));
    CHECK(replication_password(config).value() == "s3cret");
    CHECK_FALSE(has_superuser_password(config));
    config.superuser_password = "t0p";
    CHECK(check_postgres_config(config));
    CHECK(superuser_password(config).value() == "t0p");

    config.superuser_password_file = dir / "superuser";
    test::write_text(config.superuser_password_file, "other\n");
    ::chmod(config.superuser_password_file.c_str(), 0600);
    CHECK_THAT(wrong(), Catch::Contains("superuser_password_file") && !Catch::Contains("t0p"));
    config.superuser_password.clear();
    CHECK(superuser_password(config).value() == "other");
    ::chmod(config.superuser_password_file.c_str(), 0640);
    CHECK_THAT(wrong(), Catch::Contains("chmod 600"));
    config.superuser_password_file.clear();
    config.replication_password = "s3cret\n*:*:*:*:more";
    CHECK_THAT(wrong(), Catch::Contains("one line") && !Catch::Contains("s3cret"));
}

TEST_CASE("the password file of upstreams follows the password, and stays as it was without one") {
    const test::TempDir dir;
    PostgresConfig config = some_config();
    config.state_dir = dir / "state";
    REQUIRE(::mkdir(config.state_dir.c_str(), 0700) == 0);
    CHECK_FALSE(write_passfile(config));
    config.replication_password = "old";
    CHECK(write_passfile(config));
    config.replication_password = "new";
    CHECK(write_passfile(config));
    const auto has_new = [&] { return test::read_text(passfile_path(config)) == passfile_text("new"); };
    CHECK(has_new());
    struct stat info {};
    REQUIRE(::stat(passfile_path(config).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    config.replication_password.clear();
    CHECK_FALSE(write_passfile(config));
    CHECK(has_new());
}

}  // namespace pgaf::keeper
