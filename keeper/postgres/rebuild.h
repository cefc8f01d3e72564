// Steps that replace data: rewind, clone, the torn tail (Rejoin, R6, R12). A mark outside the data folder is durable
// before anything in it is touched and goes when it is whole again, so whatever interrupts them is noticed.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

Async<Result<>> rewind(Node& node, const Rewind& step, const Progress& progress);
Async<Result<>> clone(Node& node, const Clone& step, const Progress& progress);
Async<Result<>> drop_torn_tail(Node& node, const DropTornTail& step, const Progress& progress);

/// "41 %" in a line of a program's progress; -1 when there is none.
[[nodiscard]] int percent_of(std::string_view line);

}  // namespace pgaf::keeper
