// Configuration files as text: postgresql.conf, postgresql.auto.conf, pg_hba.conf, pg_ident.conf.
#include <catch2/catch.hpp>

#include "keeper/postgres/conf_text.h"
#include "keeper/postgres/connection.h"
#include "keeper/postgres/hba.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

Layout layout_of_three() {
    Layout layout{ClusterName{"default"}, NodeName{"node1"}, IncarnationId{"00000000000000aa"}, {}};
    layout.peers = {{NodeName{"node1"}, IncarnationId{"00000000000000aa"}, "10.0.0.1", 5432},
                    {NodeName{"node2"}, IncarnationId{"00000000000000bb"}, "10.0.0.2", 5432},
                    {NodeName{"node3"}, IncarnationId{"00000000000000cc"}, "fd00::3", 5432},
                    {NodeName{"node4"}, IncarnationId{"00000000000000dd"}, "db4.example.org", 5432},
                    {NodeName{"node5"}, IncarnationId{"00000000000000ee"}, "10.0.0.2", 5433}};
    return layout;
}

std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("values are quoted as postgresql.conf reads them, and read back") {
    CHECK(conf_quoted("plain") == "'plain'");
    CHECK(conf_quoted("it's a \\") == "'it''s a \\\\'");
    CHECK(conf_quoted("") == "''");
    for (const std::string value : {"ANY 1 (\"pgaf closed\")", "host='a b' port=1", "it's \\ # no comment", ""})
        CHECK(conf_values("name = " + conf_quoted(value) + " # comment\n").at("name") == value);
}

TEST_CASE("a line's name is found in every form that PostgreSQL takes") {
    CHECK(conf_name("port = 5432") == "port");
    CHECK(conf_name("  Port=5432") == "port");
    CHECK(conf_name("port 5432") == "port");
    CHECK(conf_name("\tfsync\toff") == "fsync");
    CHECK(conf_name("#port = 5432").empty());
    CHECK(conf_name("").empty());
    CHECK(conf_name("include 'x.conf'").empty());
    CHECK(conf_name("include_dir 'x'").empty());
    const auto values = conf_values("port = 1\nport 2 # the last one wins\nwork_mem='4MB'\n#port=3\n");
    CHECK(values.at("port") == "2");
    CHECK(values.at("work_mem") == "4MB");
    CHECK(values.size() == 2);
}

TEST_CASE("owned settings are taken out, and nothing else") {
    std::vector<std::string> removed;
    const std::string text = "# written by ALTER SYSTEM\nwork_mem = '4MB'\nFSYNC = 'off'\nportable = '1'\nport = 1\n";
    CHECK(conf_without(text, {"fsync", "port"}, removed) ==
          "# written by ALTER SYSTEM\nwork_mem = '4MB'\nportable = '1'\n");
    CHECK(removed == std::vector<std::string>{"fsync", "port"});
    removed.clear();
    CHECK(conf_without("a = 1", {}, removed) == "a = 1\n");
    CHECK(removed.empty());
}

TEST_CASE("the include line is last, and there is one") {
    const std::string once = conf_with_include_last("port = 1\n", "pgaf.conf");
    CHECK(once == "port = 1\ninclude 'pgaf.conf'\n");
    CHECK(conf_with_include_last(once, "pgaf.conf") == once);
    CHECK(conf_with_include_last(once + "port = 2\n", "pgaf.conf") == "port = 1\nport = 2\ninclude 'pgaf.conf'\n");
    CHECK(conf_with_include_last("include_if_exists = 'pgaf.conf'\ninclude 'other.conf'", "pgaf.conf") ==
          "include 'other.conf'\ninclude 'pgaf.conf'\n");
    CHECK(conf_with_include_last("", "pgaf.conf") == "include 'pgaf.conf'\n");
}

TEST_CASE("access: exactly the peers' addresses, clients only while open") {
    PostgresConfig config;
    config.superuser = "postgres";
    config.hba = {"host all all 0.0.0.0/0 scram-sha-256"};
    const std::string closed = render_hba(config, layout_of_three(), false);
    CHECK(closed.find("local all,replication \"postgres\" peer map=pgaf\n") != std::string::npos);
    CHECK(closed.find("host replication pgaf_replicator 10.0.0.2/32 scram-sha-256\n") != std::string::npos);
    CHECK(closed.find("host postgres pgaf_replicator fd00::3/128 scram-sha-256\n") != std::string::npos);
    CHECK(closed.find("host replication pgaf_replicator db4.example.org scram-sha-256\n") != std::string::npos);
    CHECK(closed.find("10.0.0.1") == std::string::npos);
    CHECK(count(closed, "host replication pgaf_replicator 10.0.0.2/32") == 1);
    CHECK(closed.find("0.0.0.0/0") == std::string::npos);
    CHECK_FALSE(hba_is_open(closed));
    const std::string open = render_hba(config, layout_of_three(), true);
    CHECK(hba_is_open(open));
    // Nobody else logs in as the replication role: its rejection stands before any client line.
    CHECK(open.find("host all,replication pgaf_replicator all reject") < open.find("0.0.0.0/0"));
    CHECK_FALSE(hba_is_open("local all all trust\n"));
}

TEST_CASE("access: networks that are named take the place of the peers' addresses") {
    PostgresConfig config;
    config.peer_networks = {"172.28.0.8/29", "fd00::/64"};
    const std::string text = render_hba(config, layout_of_three(), false);
    CHECK(count(text, "scram-sha-256\n") == 4);
    CHECK(text.find("host replication pgaf_replicator 172.28.0.8/29 scram-sha-256\n") != std::string::npos);
    CHECK(text.find("host postgres pgaf_replicator fd00::/64 scram-sha-256\n") != std::string::npos);
    CHECK(text.find("host all,replication pgaf_replicator all reject\n") != std::string::npos);
}

TEST_CASE("a network for peers is an address with a mask") {
    for (const char* right : {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "fd00::/64", "::/128"})
        CHECK(check_hba_network(right).empty());
    for (const char* wrong : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 trust",
                              "fd00::/129", "pods/8", "samenet", "10.0.0.0/0008", "10.0.0.0/8\nhost all all all trust"})
        CHECK_FALSE(check_hba_network(wrong).empty());
}

TEST_CASE("a superuser's name is quoted in access and map") {
    PostgresConfig config;
    config.superuser = "odd \"name\"";
    CHECK(render_hba(config, {}, false).find("local all,replication \"odd \"\"name\"\"\" peer map=pgaf") !=
          std::string::npos);
    const std::string once = render_ident("mine a b\n", "postgres", "postgres");
    CHECK(once.find("mine a b\n") == 0);
    CHECK(once.find("pgaf \"postgres\" \"postgres\"\n") != std::string::npos);
    CHECK(render_ident(once, "postgres", "postgres") == once);
    CHECK(count(render_ident(once, "other", "postgres"), "pgaf \"") == 1);
}

TEST_CASE("client lines that PostgreSQL could not read are refused") {
    CHECK(check_hba_line("host all all 127.0.0.1/32 scram-sha-256").empty());
    CHECK(check_hba_line("local all all peer").empty());
    CHECK_FALSE(check_hba_line("host all all trust").empty());
    CHECK_FALSE(check_hba_line("all all all all all").empty());
    CHECK_FALSE(check_hba_line("local all all peer\nlocal all all trust").empty());
    CHECK_FALSE(check_hba_line("").empty());
}

TEST_CASE("connection strings: quoting and addresses") {
    CHECK(conninfo_value("a'b\\c") == "'a\\'b\\\\c'");
    const Address address = address_of("host=" + conninfo_value("it's") + " port=6001 user=x");
    CHECK(address.host == "it's");
    CHECK(address.port == 6001);
    CHECK(address_of("").host.empty());
    CHECK(address_of("no = = conninfo").port == 0);
}

}  // namespace pgaf::keeper
