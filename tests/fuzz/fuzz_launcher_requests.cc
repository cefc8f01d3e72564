// What a keeper (or anybody with access to the socket) says to the launcher: lines cut from a stream, requests read
// from them. A line that is no request says why, and the answer to it is one line of valid JSON.
#include <nlohmann/json.hpp>
#include <variant>

#include "common/launcher_protocol.h"
#include "common/line_buffer.h"
#include "keeper/launcher/messages.h"
#include "tests/fuzz/fuzz.h"

namespace {

using pgaf::fuzz::require;

void require_line(const std::string& line) {
    require(!line.empty() && line.find('\n') == line.size() - 1, "an answer is one line");
    require(!nlohmann::json::parse(line, nullptr, false).is_discarded(), "an answer is JSON in UTF-8");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace launcher = pgaf::launcher;
    const auto text = pgaf::fuzz::as_text(data, size);
    pgaf::LineBuffer buffer(launcher::max_line_bytes, pgaf::LineBuffer::Overlong::refuse);
    std::vector<std::string> lines;
    // In two pieces, as a stream may bring it.
    if (!buffer.feed(text.substr(0, size / 2), lines) || !buffer.feed(text.substr(size / 2), lines)) return 0;
    buffer.end(lines);
    for (const auto& line : lines) {
        require(line.size() <= launcher::max_line_bytes, "no line is longer than allowed");
        const auto parsed = launcher::parse_request(line);
        if (const auto* wrong = std::get_if<launcher::Malformed>(&parsed)) {
            require(!wrong->problem.empty(), "a malformed line has a reason");
            require_line(launcher::error_line(wrong->id, wrong->problem));
        } else if (const auto* request = std::get_if<launcher::Request>(&parsed)) {
            if (const auto* end = std::get_if<launcher::EndProcessRequest>(&request->operation))
                require(end->pid > 0, "no request ends a process group");
        }
        require_line(launcher::output_line(1, "stderr", line.substr(0, launcher::max_output_bytes)));
        require_line(launcher::stopped_line(1, false, line));
    }
    return 0;
}
