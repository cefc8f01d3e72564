// Write-ahead log: who wrote which bytes. A branch is what one server has written since it became a writer; branches
// form a tree, and each byte of any node's WAL is some branch's. A timeline id is only a number on a branch: two
// branches can bear the same one, which is what R5 is about.
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <cstdint>
#include <vector>

#include "common/lsn.h"
#include "common/model/report.h"
#include "tests/sim/ids.h"

namespace pgaf::sim {

using BranchIx = std::uint32_t;
constexpr std::uint64_t segment_bytes = 16ULL * 1024 * 1024;
constexpr std::uint64_t first_lsn = segment_bytes;
constexpr std::uint64_t segment_start(std::uint64_t lsn) {
    return lsn - lsn % segment_bytes;
}

struct Record {
    std::uint64_t end = 0;
    /// A client's commit; 0: anything else.
    std::uint32_t commit = 0;
};
BOOST_DESCRIBE_STRUCT(Record, (), (end, commit))

struct Branch {
    std::uint32_t timeline = 1;
    BranchIx parent = 0;
    /// Where it begins; the root begins at first_lsn.
    std::uint64_t fork = first_lsn;
    NodeIx writer = 0;
    std::vector<Record> records;
    /// What has been flushed of it, and may have been sent; it can lie within a record.
    std::uint64_t published = 0;
    [[nodiscard]] std::uint64_t end() const { return records.empty() ? fork : records.back().end; }
};
BOOST_DESCRIBE_STRUCT(Branch, (), (timeline, parent, fork, writer, records, published))

/// A stretch of WAL: bytes up to `to` are those on the path to `branch`.
struct Extent {
    BranchIx branch = 0;
    std::uint64_t to = first_lsn;
    friend bool operator==(const Extent&, const Extent&) = default;
};
BOOST_DESCRIBE_STRUCT(Extent, (), (branch, to))

/// What lies in a node's pg_wal. Whole as long as it is one extent: all of the path up to there. More extents are what
/// no server has written that way: a hole.
struct Wal {
    std::vector<Extent> extents;
    [[nodiscard]] bool empty() const { return extents.empty(); }
    [[nodiscard]] bool whole() const { return extents.size() == 1; }
    [[nodiscard]] std::uint64_t end() const { return extents.empty() ? 0 : extents.back().to; }
    /// Of the part that a server would replay.
    [[nodiscard]] const Extent& base() const { return extents.front(); }
};
BOOST_DESCRIBE_STRUCT(Wal, (), (extents))

/// All branches of a world.
class Archive {
  public:
    [[nodiscard]] const Branch& operator[](BranchIx ix) const { return branches_[ix]; }
    [[nodiscard]] std::size_t size() const { return branches_.size(); }

    BranchIx begin(BranchIx parent, std::uint64_t fork, std::uint32_t timeline, NodeIx writer);
    BranchIx begin_root(NodeIx writer);
    void append(BranchIx branch, std::uint64_t bytes, std::uint32_t commit);
    void publish(BranchIx branch, std::uint64_t lsn);
    /// Records that were never flushed and never sent are gone.
    void truncate(BranchIx branch, std::uint64_t end);

    /// Up to where the two paths are the same.
    [[nodiscard]] std::uint64_t common(BranchIx a, BranchIx b) const;
    /// The branch on the path to `branch` that has written the byte before `lsn`.
    [[nodiscard]] BranchIx writer_of(BranchIx branch, std::uint64_t lsn) const;
    /// End of the last complete record at or before `lsn` on the path to `branch`.
    [[nodiscard]] std::uint64_t complete_before(BranchIx branch, std::uint64_t lsn) const;
    /// End of the first record that ends after `lsn`; 0: there is none.
    [[nodiscard]] std::uint64_t record_after(BranchIx branch, std::uint64_t lsn) const;
    /// What a timeline history file on that branch says: parents of its timeline.
    [[nodiscard]] std::vector<TimelineFork> forks(BranchIx branch) const;
    /// Where the path to `branch` left `timeline`: 0 when it never was on it, ~0 when it still is.
    [[nodiscard]] std::uint64_t left(BranchIx branch, std::uint32_t timeline) const;

  private:
    std::vector<Branch> branches_;
};

/// End of the last record that a server would recover to.
[[nodiscard]] std::uint64_t complete_end(const Archive& archive, const Wal& wal);
/// The timeline that the WAL before `lsn` lies on.
[[nodiscard]] std::uint32_t timeline_at(const Archive& archive, const Wal& wal, std::uint64_t lsn);
/// Whether that WAL has everything that the path to `branch` has up to `lsn`.
[[nodiscard]] bool has(const Archive& archive, const Wal& wal, BranchIx branch, std::uint64_t lsn);
/// A receiver writes what lies at [from, to) on the path to `branch`.
void write(const Archive& archive, Wal& wal, std::uint64_t from, BranchIx branch, std::uint64_t to);

}  // namespace pgaf::sim
