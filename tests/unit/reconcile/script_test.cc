// Runs every script in tests/unit/reconcile/scripts. PGAF_WRITE_SCRIPTS=1 writes what is decided now into the scripts,
// to be read with care before it is kept.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "script.h"

namespace pgaf::keeper::test {
namespace {

struct Block {
    std::string commands;  ///< with comments, as they stand
    std::string expected;
    int line = 0;
};

std::vector<Block> read_script(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<Block> blocks(1);
    bool expecting = false;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (line == "----") {
            expecting = true;
            blocks.back().line = number;
        } else if (line.empty() && expecting) {
            expecting = false;
            blocks.emplace_back();
        } else {
            (expecting ? blocks.back().expected : blocks.back().commands) += line + "\n";
        }
    }
    if (blocks.back().commands.empty()) blocks.pop_back();
    return blocks;
}

/// The output of a block's last command that prints something counts; "node" prints nothing.
std::string run_block(Script& script, const std::string& commands) {
    std::istringstream in(commands);
    std::string output;
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        output = script.run(line);
        if (output.find("no such") != std::string::npos || output.find("not a value") != std::string::npos) break;
    }
    return output;
}

std::vector<std::filesystem::path> scripts() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(PGAF_SCRIPTS))
        if (entry.path().extension() == ".txt") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

TEST_CASE("scripts") {
    const auto files = scripts();
    REQUIRE(files.size() >= 8);
    const bool write = std::getenv("PGAF_WRITE_SCRIPTS") != nullptr;
    for (const auto& file : files) {
        Script script;
        std::string written;
        const auto blocks = read_script(file);
        CHECK(blocks.size() >= 3);
        for (const Block& block : blocks) {
            const std::string output = run_block(script, block.commands);
            if (!write) {
                INFO(file.filename().string() << ":" << block.line << "\n" << block.commands);
                CHECK(output == block.expected);
            }
            written += (written.empty() ? "" : "\n") + block.commands + "----\n" + output;
        }
        if (write) std::ofstream(file) << written;
    }
}

}  // namespace pgaf::keeper::test
