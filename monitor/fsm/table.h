// The rules by which the heart decides, as a table: the first row that matches wins, then the table is read again
// until none matches. `pgaf-monitor rules` prints it, and docs/reference/states.md has it from there.
#pragma once

#include <span>
#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

struct Row {
    const char* name;
    bool (*when)(const World&);
    void (*then)(World&, const Row&);
    /// One sentence: why it is done.
    const char* why;
};

/// All rows, in the order in which they are tried.
[[nodiscard]] std::span<const Row> member_rows();
[[nodiscard]] std::span<const Row> rule_rows();
[[nodiscard]] std::span<const Row> steady_rows();
[[nodiscard]] std::span<const Row> election_rows();

/// Applies rows until none matches. Bounded: a table that never comes to rest is a broken program.
void decide(World& world);

/// Name and reason of each row, a row a line.
[[nodiscard]] std::string table_text();

/// Why an election begins.
///   planned    a switchover: the old primary works and is told to stop
///   loss       the primary is lost, or seems to be; counted by R15
///   command    an operator's failover: the old primary is not to go on, though it may live
enum class Trigger { planned, loss, command };
/// The row that a failover is logged with which an operator has asked for.
inline constexpr const char* operator_failover = "operator-failover";

/// Begins an election: the next epoch, durable before anybody is told (R1, R4).
void begin_election(World& world, const Row& row, Trigger trigger, const std::string& reason,
                    const std::string& evidence);

/// Ends an operator's long command, with its answer.
void finish_operation(World& world, bool ok, const std::string& message, std::optional<Millis> write_pause = {});

}  // namespace pgaf::fsm
