// Inside of common/config: what the readers of file, environment and flags share.
#pragma once

#include "common/config.h"

namespace pgaf::config::detail {

using Values = std::map<std::string, Value>;
/// One line for each thing that is wrong; all of them are told at once.
using Problems = std::vector<std::string>;

[[nodiscard]] const Option* find_option(const Program&, const std::string& name);

/// TLS_CERT_FILE and --tls-cert-file for "tls.cert_file".
[[nodiscard]] std::string env_name(const Program&, const Option&);
[[nodiscard]] std::string flag_name(const Option&);

/// A value written as text, as environment and flags give it; several texts for a flag that was repeated.
void take_texts(const Option&, const List& texts, const std::string& source, Values&, Problems&);

/// Range, words and check of one value.
void check_value(const Option&, const Value&, Problems&);

/// "'prot' is not an option; did you mean 'port'? Allowed: ..."
[[nodiscard]] std::string unknown(const std::string& name, const List& allowed);

/// Stronger values replace weaker ones; of a table name by name.
void merge(Values& into, Values stronger);

void read_file(const Program&, const std::string& path, Values&, Problems&);
void read_environment(const Program&, const Environment&, Values&, Problems&);

}  // namespace pgaf::config::detail
