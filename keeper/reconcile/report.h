// What a keeper says of its node: reports, and when one is worth sending at once. Pure.
#pragma once

#include <string>

#include "common/model/report.h"
#include "keeper/reconcile/facts.h"
#include "keeper/reconcile/promise.h"
#include "keeper/reconcile/run.h"

namespace pgaf::keeper {

/// Fenced in the protocol's sense at the promised epoch (R4): the promise is durable, no receiver runs and none will
/// start, and the end of WAL was read after that. One that offers a torn tail is restarted first.
[[nodiscard]] bool is_fenced(const Promise& promise, const Run& run, const Facts& facts);

/// A fenced standby whose last record was torn in a later segment than it began in: as long as this server runs, it
/// sends that tail to whoever follows it (R6).
[[nodiscard]] bool offers_torn_tail(const Run& run, const Facts& facts);

/// What may be said of facts while `step` is under way, or has ended and not been looked at since: a server that is
/// being started is not stopped, and a folder that is being replaced is none. Otherwise a goal that is accepted
/// meanwhile would be answered with facts that are about to change: "fenced", "exited".
[[nodiscard]] Facts meanwhile(Facts facts, const Step& step);

/// A standby that runs as its goal says, but does not stream from the upstream named there.
[[nodiscard]] bool lacks_stream(const Promise& promise, const Facts& facts);

/// Running read-write, open to clients, and not under the closed rule.
[[nodiscard]] bool is_writable(const Run& run, const Facts& facts);

/// `doing`, `problem`: for people. seq is left 0: the sender counts.
[[nodiscard]] Report make_report(const Promise& promise, const Run& run, const Facts& seen, std::string doing,
                                 std::string problem);

/// Whether `now` says something that the monitor may wait for and `sent` did not; positions of a server that runs on,
/// ages and progress can wait for the next heartbeat.
[[nodiscard]] bool is_news(const Report& sent, const Report& now);

/// The state that is shown to people: from facts, in the words of NodeState.
[[nodiscard]] NodeState reported_state(const Promise& promise, const Facts& facts);

}  // namespace pgaf::keeper
