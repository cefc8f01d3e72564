// What a program's /metrics says, and what docs/metrics.md says of it, so that a test can hold one to the other.
#pragma once

#include <map>
#include <string>

namespace pgaf::test {

/// Name -> type and labels, "gauge database,result". A histogram's le is none of its labels.
using MetricTable = std::map<std::string, std::string>;

/// Of an answer in Prometheus' text format.
[[nodiscard]] MetricTable exported_metrics(const std::string& text);
/// Of the table in one section of the page: | `name` | type | `label`: values, ... (words in brackets) | meaning |
/// `implied`: labels that are left out there ("cluster,node"), but for rows that say "(no ...)".
[[nodiscard]] MetricTable documented_metrics(const std::string& page, const std::string& section,
                                             const std::string& implied = {});

/// A line for each metric that the two do not have alike; empty: none.
[[nodiscard]] std::string differences(const MetricTable& exported, const MetricTable& documented);

}  // namespace pgaf::test
