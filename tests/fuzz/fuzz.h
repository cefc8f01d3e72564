// What the fuzz targets share. Each target is one file with libFuzzer's entry point LLVMFuzzerTestOneInput(): it gives
// the bytes to one reader of pgaf and requires more than that nothing crashes. Fuzzed builds only (clang, PGAF_FUZZ).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace pgaf::fuzz {

/// Ends the run, with the input kept by libFuzzer, when something does not hold that has to.
inline void require(bool holds, std::string_view what) {
    if (holds) return;
    std::fprintf(stderr, "required: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};  // NOLINT: libFuzzer's bytes are texts here
}

/// A folder of this process's own, in memory where the machine has such a place: targets write a file per input.
class Folder {
  public:
    Folder() {
        const std::filesystem::path memory = "/dev/shm";
        const auto base = std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
        std::string name = (base / "pgaf-fuzz-XXXXXX").string();
        require(::mkdtemp(name.data()) != nullptr, "a folder for temporary files");
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string path(std::string_view name) const { return (path_ / name).string(); }
    std::string write(std::string_view name, std::string_view content) const {
        std::ofstream(path(name), std::ios::binary) << content;
        return path(name);
    }

  private:
    std::filesystem::path path_;
};

}  // namespace pgaf::fuzz
