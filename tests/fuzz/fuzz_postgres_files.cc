// The small files of a data folder that the keeper reads: timeline history, pg_control, backup_label, configuration.
// The first byte says which. Whoever can write there, or a disk that returns nonsense, gets an error and nothing else.
#include "keeper/postgres/conf_text.h"
#include "keeper/postgres/control_file.h"
#include "keeper/postgres/hba.h"
#include "keeper/postgres/history.h"
#include "keeper/postgres/settings.h"
#include "keeper/postgres/wal_files.h"
#include "tests/fuzz/fuzz.h"

namespace pgaf::keeper {
namespace {

using fuzz::require;

void read_history(std::string_view text) {
    const auto parents = parse_history(text);
    if (!parents) return require(!parents.error().message.empty(), "an error has a message");
    for (const auto& parent : *parents) require(!parent.timeline.empty(), "each parent is a timeline");
    std::map<Timeline, std::vector<TimelineFork>> all;
    const Timeline newest{parents->empty() ? 1 : parents->back().timeline.v + 1};
    all[newest] = *parents;
    const auto way = newest_way(all, Timeline{1}, Lsn{1});
    require(!way.empty(), "there is a way from every place");
}

void read_names(const std::string& text) {
    SegmentName segment;
    if (parse_segment_name(text, segment)) require(text.size() >= 24, "a segment's name has 24 digits");
    const auto timeline = timeline_of_history_file(text);
    if (!timeline.empty()) require(history_file_name(timeline).size() == text.size(), "a history file's name");
}

void read_conf(const std::string& text) {
    const std::string conf = conf_with_include_last(text, "pgaf.conf");
    require(conf_with_include_last(conf, "pgaf.conf") == conf, "the include line is put in once");
    std::vector<std::string> removed;
    const auto without = conf_without(text, {"port", "primary_conninfo"}, removed);
    const auto values = conf_values(without);
    require(!values.contains("port") && !values.contains("primary_conninfo"), "what was taken out is out");
    static_cast<void>(parse_settings(text));
}

void read_hba(const std::string& text) {
    static_cast<void>(check_hba_line(text));
    static_cast<void>(hba_is_open(text));
    static_cast<void>(hba_address(text));
}

}  // namespace
}  // namespace pgaf::keeper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(pgaf::fuzz::as_text(data + 1, size - 1));
    using namespace pgaf::keeper;
    switch (data[0]) {
        case 'h':
            read_history(text);
            break;
        case 'n':
            read_names(text);
            break;
        case 'c':
            static_cast<void>(parse_control_file(text));
            break;
        case 'l':
            static_cast<void>(parse_backup_label(text));
            break;
        case 's':
            read_conf(text);
            break;
        case 'a':
            read_hba(text);
            break;
        default:
            break;
    }
    return 0;
}
