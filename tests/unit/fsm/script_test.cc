// Runs every script of this folder. PGAF_REWRITE=1 writes the outcome into the scripts instead of comparing.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/fsm/script.h"

namespace {

using pgaf::lab::Block;

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

bool is_script(const std::filesystem::path& path) {
    return path.extension() == ".txt" && path.stem() != "README" && path.stem() != "CMakeLists";
}

std::vector<std::filesystem::path> scripts() {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(PGAF_SCRIPTS))
        if (is_script(entry.path())) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
}

bool asked(const char* variable) {
    const char* value = std::getenv(variable);
    return value && *value && std::string(value) != "0";
}

}  // namespace

TEST_CASE("scripts of the heart") {
    const bool rewrite = asked("PGAF_REWRITE");
    REQUIRE(scripts().size() > 1);
    for (const std::filesystem::path& path : scripts()) {
        DYNAMIC_SECTION(path.stem().string()) {
            std::vector<Block> blocks = pgaf::lab::parse_script(read(path));
            pgaf::lab::Script script;
            for (Block& block : blocks) {
                INFO(path.filename().string() << ":" << block.line << "\n" << joined(block.commands) << "----");
                const std::vector<std::string> lines = script.run(block.commands);
                if (rewrite) block.expected = lines;
                CHECK(joined(lines) == joined(block.expected));
            }
            // Whatever a script expects: the invariants hold.
            INFO(path.filename().string());
            CHECK(joined(script.violations()) == "");
            if (rewrite) std::ofstream(path) << pgaf::lab::print_script(blocks);
        }
    }
}
