// The keeper's memory over its restarts: the promise (R2), made durable before anything is done on it. Knows the disk
// and nothing else. Calls block while the disk writes; the loop makes them on a thread of their own.
#pragma once

#include <filesystem>
#include <string>

#include "common/result.h"
#include "keeper/reconcile/promise.h"

namespace pgaf::keeper {

class StateFile {
  public:
    struct Loaded {
        Promise promise;
        /// Nothing was found: the promise is that of a new incarnation, and not stored yet.
        bool fresh = false;
    };

    /// Makes the folder (0700) when it is missing, and locks it as long as this object lives: two keepers would make
    /// promises behind each other's backs.
    static Result<StateFile> open(const std::filesystem::path& folder, ClusterName cluster, NodeName node);
    ~StateFile();
    StateFile(StateFile&& other) noexcept;
    StateFile(const StateFile&) = delete;
    StateFile& operator=(const StateFile&) = delete;
    StateFile& operator=(StateFile&&) = delete;

    /// A missing file makes a new incarnation (random id). A damaged one, and one of another node or cluster, is an
    /// error that says what to do: it might hold a promise that must not be forgotten.
    [[nodiscard]] Result<Loaded> load() const;
    /// Returns when the promise is on disk: written beside the old one, fsync, rename, fsync of the folder.
    [[nodiscard]] Result<> store(const Promise& promise) const;

    [[nodiscard]] std::string path() const;

  private:
    StateFile(std::filesystem::path folder, ClusterName cluster, NodeName node, int lock);
    std::filesystem::path folder_;
    ClusterName cluster_;
    NodeName node_;
    int lock_ = -1;
};

}  // namespace pgaf::keeper
