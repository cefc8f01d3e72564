// What a goal carries of the cluster record beside what its node is to do: kept in the state file with the goal, so
// that a monitor that has lost its store can rebuild the record from the keepers (R11). A keeper acts on none of it.
#pragma once

#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/sync_rule.h"
#include "common/reflect.h"

namespace pgaf {

BOOST_DESCRIBE_STRUCT(WalPosition, (), (timeline, lsn))

/// How far a record had come: which life of it, and how many commits it has seen. Each process of
/// the monitor begins a life, which is called after it (R11).
struct StoreMark {
    MonitorId life;
    std::uint64_t commits = 0;
    friend bool operator==(const StoreMark&, const StoreMark&) = default;
};
BOOST_DESCRIBE_STRUCT(StoreMark, (), (life, commits))

/// A setting of the cluster by its name, as operators know it.
struct SettingValue {
    std::string name;
    std::string value;
    friend bool operator==(const SettingValue&, const SettingValue&) = default;
};
BOOST_DESCRIBE_STRUCT(SettingValue, (), (name, value))

/// The record at the commit that the goal was made in. What changed later without a new goal is missing, and is either
/// on the safe side (rules that have left since) or of no consequence, as nobody was told.
struct RecordDigest {
    StoreMark mark;
    /// The last node told to be primary, and the incarnation and epoch of that word.
    NodeName primary;
    IncarnationId primary_incarnation;
    Epoch primary_epoch;
    /// Rules in force, oldest first.
    std::vector<NamedRule> rules;
    WalPosition floor;
    Timeline highest_timeline;
    /// The longest lease that the last primary may have been told (R7).
    Millis lease_told;
    friend bool operator==(const RecordDigest&, const RecordDigest&) = default;
};
BOOST_DESCRIBE_STRUCT(RecordDigest, (),
                      (mark, primary, primary_incarnation, primary_epoch, rules, floor, highest_timeline, lease_told))

}  // namespace pgaf
