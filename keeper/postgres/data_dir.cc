#include "keeper/postgres/data_dir.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "common/json.h"
#include "keeper/postgres/conf_text.h"
#include "keeper/postgres/disk_probe.h"
#include "keeper/postgres/hba.h"
#include "keeper/postgres/history.h"

namespace pgaf::keeper {

namespace {

constexpr const char* incarnation_file = "pgaf.incarnation";

std::string rebuilding_mark(const PostgresConfig& config) {
    return config.state_dir + "/rebuilding";
}
std::string rebuilt_note(const PostgresConfig& config) {
    return config.state_dir + "/rebuilt";
}
std::string layout_file(const PostgresConfig& config) {
    return config.state_dir + "/layout.json";
}

/// One of a text file's lines; empty when it has fewer.
std::string line_of(const std::string& text, std::size_t number) {
    std::size_t begin = 0;
    for (; number > 0; --number) {
        const auto end = text.find('\n', begin);
        if (end == std::string::npos) return {};
        begin = end + 1;
    }
    return text.substr(begin, text.find('\n', begin) - begin);
}

/// Messages of programs may have several lines.
std::string one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace

std::string system_user() {
    const passwd* entry = ::getpwuid(::geteuid());
    return entry == nullptr ? std::to_string(::geteuid()) : entry->pw_name;
}

std::string DataDir::without_room() const {
    constexpr std::uintmax_t segment = std::uintmax_t{16} << 20;
    for (const std::string& folder : {config_.data_dir, wal_dir()}) {
        std::error_code unknown;
        const auto space = std::filesystem::space(folder, unknown);
        if (!unknown && space.available < segment)
            return "No space left for a WAL segment in " + folder + " (" + std::to_string(space.available >> 10) +
                   " kB are free): make room";
    }
    return {};
}

Result<> DataDir::readable() const {
    for (const std::string& file : {path("PG_VERSION"), path(incarnation_file), rebuilding_mark(config_)}) {
        struct stat info {};
        if (::stat(file.c_str(), &info) != 0) {
            if (errno == ENOENT) continue;
            return file_error("looking at", file, errno);
        }
        if (const auto text = read_file(file); !text) return text.error();
    }
    return {};
}

int DataDir::version() const {
    const auto text = read_file(path("PG_VERSION"));
    int version = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), version);
    return version;
}

bool DataDir::has_content() const {
    for (const std::string& name : list_folder(config_.data_dir))
        if (name != "lost+found" && !is_probe_file(name)) return true;
    return false;
}

IncarnationId DataDir::incarnation() const {
    auto text = read_file(path(incarnation_file));
    if (!text) return {};
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return IncarnationId{*text};
}

Result<> DataDir::write_incarnation(const IncarnationId& id) const {
    return write_file_if_changed(path(incarnation_file), id.v + "\n");
}

bool DataDir::rebuilding() const {
    return file_exists(rebuilding_mark(config_));
}

Result<> DataDir::begin_rebuild(const std::string& why, const std::string& kept) const {
    return write_file(rebuilding_mark(config_), "The data folder " + config_.data_dir + " is not complete: " +
                                                    one_line(why) + "\n" + one_line(kept) + "\n");
}

std::string DataDir::kept_by_rebuild() const {
    const auto text = read_file(rebuilding_mark(config_));
    return text ? line_of(*text, 1) : std::string{};
}

Result<> DataDir::note_rebuilt(const IncarnationId& id, const std::string& what) const {
    return write_file(rebuilt_note(config_), id.v + "\n" + one_line(what) + "\n");
}

std::string DataDir::rebuilt(const IncarnationId& id) const {
    const auto text = read_file(rebuilt_note(config_));
    return text && !id.empty() && line_of(*text, 0) == id.v ? line_of(*text, 1) : std::string{};
}

Result<> DataDir::end_rebuild() const {
    return remove_file(rebuilding_mark(config_));
}

Result<> DataDir::set_standby(bool standby) const {
    if (auto done = remove_file(path("recovery.signal")); !done) return done;
    if (!standby) return remove_file(path("standby.signal"));
    return write_file_if_changed(path("standby.signal"), "");
}

bool DataDir::is_standby() const {
    return file_exists(path("standby.signal"));
}

Result<> DataDir::write_settings(const Variable& variable, Write how, std::vector<std::string>* overridden) const {
    PostgresConfig config = config_;
    config.node_timeout = node_timeout_;
    const std::string text = render_settings(config, variable, version());
    if (auto done = write_file_if_changed(path(settings_file), text, 0600, how); !done) return done;
    const auto main = read_file(path("postgresql.conf"));
    const std::string with_include = conf_with_include_last(main ? *main : "", settings_file);
    if (auto done = write_file_if_changed(path("postgresql.conf"), with_include); !done) return done;
    // Read after postgresql.conf, so whatever stands there would win over pgaf.conf.
    const auto automatic = read_file(path("postgresql.auto.conf"));
    std::vector<std::string> removed;
    if (!automatic) return {};
    const std::string kept = conf_without(*automatic, owned_settings(), removed);
    if (overridden != nullptr) *overridden = removed;
    if (removed.empty()) return {};
    return write_file(path("postgresql.auto.conf"), kept);
}

Result<> DataDir::write_timeouts() const {
    const auto text = read_file(path(settings_file));
    if (!text) return text.error();
    return write_file_if_changed(path(settings_file), with_timeouts(*text, node_timeout_), 0600, Write::atomic);
}

std::optional<Variable> DataDir::settings() const {
    const auto text = read_file(path(settings_file));
    if (!text) return std::nullopt;
    return parse_settings(*text);
}

std::vector<std::string> DataDir::overridden_settings() const {
    std::vector<std::string> names;
    if (const auto text = read_file(path("postgresql.auto.conf"))) (void)conf_without(*text, owned_settings(), names);
    return names;
}

Result<> DataDir::write_access(const Layout& layout, bool open_to_clients) const {
    const std::string hba = path("pg_hba.conf");
    const auto old = read_file(hba);
    if (old && old->find("# BEGIN pgaf") == std::string::npos && !file_exists(hba + ".before-pgaf"))
        if (auto done = write_file(hba + ".before-pgaf", *old); !done) return done;
    const std::string ident = path("pg_ident.conf");
    const auto maps = read_file(ident);
    if (auto done = write_file_if_changed(ident, render_ident(maps ? *maps : "", system_user(), config_.superuser));
        !done)
        return done;
    return write_file_if_changed(hba, render_hba(config_, layout, open_to_clients));
}

bool DataDir::open_to_clients() const {
    const auto text = read_file(path("pg_hba.conf"));
    return text && hba_is_open(*text);
}

Result<> DataDir::remove_placeholders_beyond(Timeline timeline, Lsn at) const {
    const auto histories = read_histories(wal_dir());
    if (!histories) return histories.error();
    const Timeline newest = newest_way(*histories, timeline, at).back().timeline;
    for (const Timeline placeholder : placeholders(wal_dir())) {
        if (placeholder <= newest) continue;
        if (auto done = remove_file(wal_dir() + "/" + history_file_name(placeholder)); !done) return done;
    }
    return {};
}

Result<> DataDir::refuse_tablespaces() const {
    if (list_folder(path("pg_tblspc")).empty()) return {};
    return error(
        "the data folder " + config_.data_dir +
        " has tablespaces outside of it (links in pg_tblspc), which a clone can't replace: stop PostgreSQL, move "
        "those folders away by hand, empty the data folder, and pgaf clones it");
}

Layout DataDir::remembered_layout() const {
    const auto text = read_file(layout_file(config_));
    if (!text) return {};
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (json.is_discarded()) return {};
    const auto layout = from_json<Layout>(json);
    return layout ? *layout : Layout{};
}

Result<> DataDir::remember_layout(const Layout& layout) const {
    return write_file_if_changed(layout_file(config_), to_json(layout).dump(2) + "\n", 0600, Write::atomic);
}

}  // namespace pgaf::keeper
