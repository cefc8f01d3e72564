// The files of the status page, built into the program.
#pragma once

#include <string_view>

namespace pgaf::monitor {

struct Asset {
    std::string_view path;  ///< as it is asked for
    std::string_view content_type;
    std::string_view etag;  ///< with its quotation marks; another one whenever the bytes are other ones
    std::string_view bytes;
};

/// Null: there is no such file.
[[nodiscard]] const Asset* find_asset(std::string_view path);

}  // namespace pgaf::monitor
