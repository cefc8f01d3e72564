#include "keeper/postgres/history.h"

#include <charconv>
#include <cstdio>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

constexpr std::string_view suffix = ".history";

std::string_view next_word(std::string_view& line) {
    const auto start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return {};
    const auto end = line.find_first_of(" \t", start);
    const auto word = line.substr(start, end == std::string_view::npos ? end : end - start);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end);
    return word;
}

/// The parents of `timeline` as legs, with `timeline` itself last.
std::vector<Leg> legs_of(const std::vector<TimelineFork>& forks, Timeline timeline) {
    std::vector<Leg> legs;
    Lsn begin;
    for (const TimelineFork& fork : forks) {
        legs.push_back({fork.timeline, begin});
        begin = fork.end;
    }
    legs.push_back({timeline, begin});
    return legs;
}

/// Whether `from` on `timeline` lies on the way to the timeline with these parents.
bool passes(const std::vector<TimelineFork>& forks, Timeline timeline, Lsn from) {
    for (const TimelineFork& fork : forks)
        if (fork.timeline == timeline) return from <= fork.end;
    return false;
}

}  // namespace

std::string history_file_name(Timeline timeline) {
    char name[32];
    std::snprintf(name, sizeof name, "%08X.history", timeline.v);
    return name;
}

Timeline timeline_of_history_file(std::string_view name) {
    if (name.size() != 8 + suffix.size() || name.substr(8) != suffix) return {};
    Timeline timeline;
    const auto r = std::from_chars(name.data(), name.data() + 8, timeline.v, 16);
    return r.ec == std::errc{} && r.ptr == name.data() + 8 ? timeline : Timeline{};
}

Result<std::vector<TimelineFork>> parse_history(std::string_view text) {
    std::vector<TimelineFork> forks;
    while (!text.empty()) {
        const auto newline = text.find('\n');
        std::string_view line = text.substr(0, newline);
        text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
        const auto id = next_word(line);
        if (id.empty() || id.front() == '#') continue;
        TimelineFork fork;
        const auto r = std::from_chars(id.data(), id.data() + id.size(), fork.timeline.v);
        const auto end = Lsn::parse(next_word(line));
        if (r.ec != std::errc{} || r.ptr != id.data() + id.size() || fork.timeline.empty() || !end)
            return error("not a line of a timeline history: \"" + std::string(id) + std::string(line) + "\"");
        fork.end = *end;
        if (!forks.empty() && forks.back().timeline >= fork.timeline)
            return error("timelines of a history do not grow: " + std::to_string(fork.timeline.v));
        forks.push_back(fork);
    }
    return forks;
}

Result<std::map<Timeline, std::vector<TimelineFork>>> read_histories(const std::string& wal_dir) {
    std::map<Timeline, std::vector<TimelineFork>> histories;
    const auto names = read_folder(wal_dir);
    if (!names) return names.error();
    for (const std::string& name : *names) {
        const Timeline timeline = timeline_of_history_file(name);
        if (timeline.empty()) continue;
        const auto text = read_file(wal_dir + "/" + name);
        if (!text) return text.error();
        auto forks = parse_history(*text);
        if (!forks) return forks.error().in(wal_dir + "/" + name);
        if (!forks->empty()) histories[timeline] = std::move(*forks);
    }
    return histories;
}

std::vector<Timeline> placeholders(const std::string& wal_dir) {
    std::vector<Timeline> found;
    for (const std::string& name : list_folder(wal_dir)) {
        const Timeline timeline = timeline_of_history_file(name);
        if (timeline.empty()) continue;
        const auto text = read_file(wal_dir + "/" + name);
        if (text && text->find_first_not_of(" \t\n") == std::string::npos) found.push_back(timeline);
    }
    return found;
}

std::vector<Leg> newest_way(const std::map<Timeline, std::vector<TimelineFork>>& histories, Timeline timeline,
                            Lsn from) {
    for (auto it = histories.rbegin(); it != histories.rend() && it->first > timeline; ++it)
        if (passes(it->second, timeline, from)) return legs_of(it->second, it->first);
    const auto own = histories.find(timeline);
    return legs_of(own == histories.end() ? std::vector<TimelineFork>{} : own->second, timeline);
}

}  // namespace pgaf::keeper
