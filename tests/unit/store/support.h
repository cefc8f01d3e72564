// What the store tests share: a folder that goes away, and records to store.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "monitor/fsm/record.h"
#include "monitor/store/store.h"

namespace pgaf::test {

struct TemporaryFolder {
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "pgaf-store-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
        path = pattern;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    [[nodiscard]] std::string file(const std::string& name) const { return (path / name).string(); }
    std::filesystem::path path;
};

/// The value, or a failed test with the error's message.
template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline fsm::ClusterRecord a_record(const std::string& name) {
    fsm::ClusterRecord record;
    record.name.v = name;
    record.epoch.v = 7;
    record.settings.number_sync_standbys = 1;
    record.nodes[NodeName{"node1"}].name.v = "node1";
    record.nodes[NodeName{"node1"}].goal.permit = StartPermit{BootId{"boot"}, 3};
    record.rules.push_back({RuleId{4}, {1, {IncarnationId{"a"}, IncarnationId{"b"}}}});
    record.history.push_back({Timeline{2}, Epoch{7}, std::nullopt, Lsn{0x5001A28}});
    record.reason = "\"quoted\", gr\xC3\xBC\xC3\x9F and\nlines";
    return record;
}

inline fsm::LogEntry an_entry(const std::string& kind) {
    return {Epoch{7}, NodeName{"node1"}, kind, "row", "what happened", "evidence of " + kind};
}

}  // namespace pgaf::test
