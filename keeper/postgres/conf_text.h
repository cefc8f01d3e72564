// Editing of PostgreSQL's configuration files as text: which lines set what, quoting, the include line. Knows nothing
// of what settings mean.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgaf::keeper {

/// A value as postgresql.conf wants it: in quotes, with quotes and backslashes doubled.
[[nodiscard]] std::string conf_quoted(std::string_view value);
/// The name that a line sets, lower case; empty for comments, blank lines and include directives.
[[nodiscard]] std::string conf_name(std::string_view line);
/// What a file sets: the last line of a name wins, quotes are taken off. Include directives are not followed.
[[nodiscard]] std::map<std::string, std::string> conf_values(std::string_view text);
/// The text without the lines that set one of `names`; what they set goes to `removed`.
[[nodiscard]] std::string conf_without(std::string_view text, const std::set<std::string>& names,
                                       std::vector<std::string>& removed);
/// The text with `include '<file>'` as its last line, and nowhere else.
[[nodiscard]] std::string conf_with_include_last(std::string_view text, const std::string& file);

}  // namespace pgaf::keeper
