// Rules of the protocol that can be switched off, so that the simulator can be tested: a rule that nobody would miss is
// not checked by anybody. In the programs broken() is a constant and costs nothing; only the simulator compiles the
// heart and the reconciler with PGAF_MUTATIONS.
#pragma once

#include "common/reflect.h"

namespace pgaf {

/// Named after the rule that each of them breaks.
///   r1             a decision is sent before it is durable
///   r2             the version within an epoch is not looked at
///   r2_epoch       neither is the epoch
///   r3             a rule counts as applied without its proof
///   r3_mixed       k of 2 and more comes into force while walsenders with the older rule still count
///   r4             one fenced member of each rule completes an election
///   r4_goes_on     the rules in force change although the old primary goes on
///   r5             the least WAL wins, and nothing says how much is enough
///   r5_timeline    a promotion takes whatever timeline id PostgreSQL takes
///   r6_closed      a server that is not the primary runs without the closed rule
///   r6_hole        survivors with a torn end in a later segment follow like the others: neither the heart nor their
///                  own keepers, who look for it too, hold them back
///   r7             an asynchronous cluster fails over without waiting for the old primary's lease
///   r8             a primary goes on without monitor and standbys
///   r9             a server is started read-write on what the state file says
///   r9_receiver    a receiver is started on what the state file says
///   r9_open        clients are let in before the standbys have what they will see: neither the rule's proof on the
///                  closed server nor its opening looks for that
///   r13            the exit is told before what the postmaster left is gone
///   r14            a second connection of a member counts as another one
BOOST_DEFINE_ENUM_CLASS(Mutation, none, r1, r2, r2_epoch, r3, r3_mixed, r4, r4_goes_on, r5, r5_timeline, r6_closed,
                        r6_hole, r7, r8, r9, r9_receiver, r9_open, r13, r14)

#ifdef PGAF_MUTATIONS
/// Set once, before anything is simulated.
extern Mutation active_mutation;
[[nodiscard]] inline bool broken(Mutation rule) {
    return active_mutation == rule;
}
#else
[[nodiscard]] constexpr bool broken(Mutation) {
    return false;
}
#endif

}  // namespace pgaf
