// What a keeper can say of its whole cluster: members, past promotions, settings, as the monitor last told them. The
// shapes are those that tools made for Patroni read; what they have no word for stands under "pgaf".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "keeper/service/loop.h"

namespace pgaf::keeper {

/// What the monitor last told; when it has told nothing (yet, or it is of an older version), what the promised goal
/// says: names and addresses, timelines, settings.
[[nodiscard]] ClusterView known_cluster(const LoopView& view);

[[nodiscard]] nlohmann::json cluster_document(const LoopView& view);
[[nodiscard]] nlohmann::json history_document(const LoopView& view);
[[nodiscard]] nlohmann::json config_document(const LoopView& view);

}  // namespace pgaf::keeper
