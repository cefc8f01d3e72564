#include "keeper/postgres/control_file.h"

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
