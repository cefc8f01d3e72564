// A made-up program with one option of each kind, and a folder for its files.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/config.h"

namespace pgaf::config {

class Folder {
  public:
    Folder() {
        char pattern[] = "/tmp/pgaf-config-XXXXXX";
        REQUIRE(::mkdtemp(pattern) != nullptr);
        path_ = pattern;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        std::ofstream(path(name)) << text;
        REQUIRE(::chmod(path(name).c_str(), mode) == 0);
        return path(name);
    }

  private:
    std::string path_;
};

inline Program demo_program() {
    return Program{
        .name = "pgaf-demo",
        .about = "shows how options work",
        .command = "run",
        .env_prefix = "PGAF_DEMO_",
        .default_file = "/nonexistent/pgaf/demo.toml",
        .options = {
            {.name = "node", .help = "name of this node", .required = true, .check = check_node_name},
            {.name = "port",
             .type = Type::integer,
             .fallback = "5432",
             .help = "port of PostgreSQL",
             .min = 1,
             .max = 65535},
            {.name = "log_level", .fallback = "info", .help = "least level", .words = {"debug", "info", "warning"}},
            {.name = "monitor",
             .type = Type::list,
             .fallback = "127.0.0.1:5431",
             .help = "monitors",
             .check = check_host_port},
            {.name = "hba", .type = Type::list, .help = "client lines of pg_hba.conf", .separator = ';'},
            {.name = "replication_quorum", .type = Type::boolean, .fallback = "true", .help = "counts for commits"},
            {.name = "parameters",
             .type = Type::table,
             .help = "settings of PostgreSQL",
             .yes = "on",
             .no = "off",
             .separator = ';'},
            {.name = "tls.cert_file", .help = "certificate"},
            {.name = "password", .help = "password of the superuser", .secret = true},
        }};
}

}  // namespace pgaf::config
