#include "keeper/postgres/control_file.h"

#include <charconv>
#include <cstring>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

// Offsets in struct ControlFileData, then in struct CheckPoint inside it.
constexpr std::size_t system_identifier_at = 0;
constexpr std::size_t pg_control_version_at = 8;
constexpr std::size_t state_at = 16;
constexpr std::size_t checkpoint_at = 32;
constexpr std::size_t redo_at = 40;
constexpr std::size_t timeline_at = 48;
constexpr std::size_t end_of_fields = 52;

/// 1300 is PostgreSQL 13 to 17, 1800 is 18: nothing before what is read here has moved.
constexpr std::uint32_t oldest_known = 1300;
constexpr std::uint32_t newest_known = 1899;

template <class T>
T field(const std::string& bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

}  // namespace

Result<BackupLabel> parse_backup_label(const std::string& text) {
    // START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
    // CHECKPOINT LOCATION: 0/2000060
    // START TIMELINE is not there after pg_rewind; the name of the file begins with it.
    const auto after = [&](const std::string& mark) {
        const auto at = text.find(mark);
        return at == std::string::npos ? std::string{} : text.substr(at + mark.size(), 64);
    };
    const std::string file = after("(file ").substr(0, 8);
    const std::string location = after("CHECKPOINT LOCATION: ");
    BackupLabel label;
    const auto read = std::from_chars(file.data(), file.data() + file.size(), label.timeline.v, 16);
    const auto checkpoint = Lsn::parse(location.substr(0, location.find_first_of(" \r\n")));
    if (read.ec != std::errc{} || read.ptr != file.data() + 8 || label.timeline.empty() || !checkpoint)
        return error("backup_label is not one; the data folder is damaged: reset this node so that it is cloned anew");
    label.checkpoint = *checkpoint;
    return label;
}

Result<std::optional<BackupLabel>> read_backup_label(const std::string& data_dir) {
    const std::string path = data_dir + "/backup_label";
    if (!file_exists(path)) return std::optional<BackupLabel>{};
    const auto text = read_file(path);
    if (!text) return text.error();
    const auto label = parse_backup_label(*text);
    if (!label) return label.error().in(path);
    return std::optional(*label);
}

Result<ControlFile> parse_control_file(const std::string& bytes) {
    if (bytes.size() < end_of_fields) return error("pg_control is cut short; restore the data folder or clone it anew");
    const auto version = field<std::uint32_t>(bytes, pg_control_version_at);
    if (version < oldest_known || version > newest_known)
        return error("pg_control has version " + std::to_string(version) +
                     ", but pgaf knows PostgreSQL 13 to 18; upgrade the data folder with pg_upgrade, or pgaf");
    const auto state = field<std::uint32_t>(bytes, state_at);
    if (state > static_cast<std::uint32_t>(DbState::in_production))
        return error("pg_control has no known state (" + std::to_string(state) + "); it is damaged");
    ControlFile control;
    control.system_id = SystemId{std::to_string(field<std::uint64_t>(bytes, system_identifier_at))};
    control.state = static_cast<DbState>(state);
    control.checkpoint = Lsn{field<std::uint64_t>(bytes, checkpoint_at)};
    control.redo = Lsn{field<std::uint64_t>(bytes, redo_at)};
    control.timeline = Timeline{field<std::uint32_t>(bytes, timeline_at)};
    return control;
}

Result<ControlFile> read_control_file(const std::string& data_dir) {
    const std::string path = data_dir + "/global/pg_control";
    const auto bytes = read_file(path);
    if (!bytes) return bytes.error();
    auto control = parse_control_file(*bytes);
    if (!control) return control.error().in(path);
    return control;
}

}  // namespace pgaf::keeper
