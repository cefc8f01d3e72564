// The way onto the strand that owns the clusters. Safe from any thread; what is posted runs later, in order.
#pragma once

#include <functional>

namespace pgaf::monitor {

using Post = std::function<void(std::function<void()>)>;

}  // namespace pgaf::monitor
