// The keeper's state file (R2): what loads is stored and loads again as the same; what is damaged is refused with the
// remedy. Half of the inputs get a checksum that fits, or the checksum would keep nearly all of them out.
#include <boost/crc.hpp>
#include <nlohmann/json.hpp>

#include "keeper/service/state_file.h"
#include "tests/fuzz/fuzz.h"

namespace {

using pgaf::fuzz::require;

/// The text as a state file's promise, in a whole with the checksum of exactly that promise.
std::string with_checksum(std::string_view text) {
    const auto promise = nlohmann::json::parse(text, nullptr, false);
    if (promise.is_discarded()) return std::string(text);
    boost::crc_32_type crc;
    const auto content = promise.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    crc.process_bytes(content.data(), content.size());
    return nlohmann::json{{"format", 1}, {"crc32", crc.checksum()}, {"promise", promise}}.dump(
        2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const pgaf::fuzz::Folder folder;
    static const auto file =
        pgaf::keeper::StateFile::open(folder.path("state"), pgaf::ClusterName{"main"}, pgaf::NodeName{"a"});
    require(static_cast<bool>(file), "the state folder can be opened");
    if (size == 0) return 0;
    const auto text = pgaf::fuzz::as_text(data + 1, size - 1);
    folder.write("state/state.json", data[0] % 2 == 0 ? std::string(text) : with_checksum(text));
    const auto loaded = file->load();
    if (!loaded) {
        require(loaded.error().message.find("state file") != std::string::npos, "the error names the file");
        return 0;
    }
    require(!loaded->fresh, "a file that is there is not taken for one that is missing");
    require(static_cast<bool>(file->store(loaded->promise)), "what was read can be written");
    const auto again = file->load();
    require(again && again->promise == loaded->promise, "and is read again as the same");
    return 0;
}
