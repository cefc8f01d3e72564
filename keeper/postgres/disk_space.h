// How much room the disk of the data folder has.
#pragma once

#include <cstdint>

namespace pgaf::keeper {

struct DiskSpace {
    /// For who is not root.
    std::uint64_t free_bytes = 0;
    std::uint64_t size_bytes = 0;
};

}  // namespace pgaf::keeper
