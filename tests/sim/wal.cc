#include "tests/sim/wal.h"

#include <algorithm>

namespace pgaf::sim {

BranchIx Archive::begin(BranchIx parent, std::uint64_t fork, std::uint32_t timeline, NodeIx writer) {
    branches_.push_back({timeline, parent, fork, writer, {}, fork});
    return static_cast<BranchIx>(branches_.size() - 1);
}

BranchIx Archive::begin_root(NodeIx writer) {
    branches_.push_back({1, static_cast<BranchIx>(branches_.size()), first_lsn, writer, {}, first_lsn});
    return static_cast<BranchIx>(branches_.size() - 1);
}

void Archive::append(BranchIx branch, std::uint64_t bytes, std::uint32_t commit) {
    branches_[branch].records.push_back({branches_[branch].end() + bytes, commit});
}

void Archive::publish(BranchIx branch, std::uint64_t lsn) {
    branches_[branch].published = std::max(branches_[branch].published, lsn);
}

void Archive::truncate(BranchIx branch, std::uint64_t end) {
    auto& records = branches_[branch].records;
    while (!records.empty() && records.back().end > end) records.pop_back();
}

std::uint64_t Archive::common(BranchIx a, BranchIx b) const {
    std::uint64_t upto = ~0ULL;
    // Parents come before their children, so the younger of two different ones steps back.
    while (a != b) {
        BranchIx& younger = a > b ? a : b;
        const Branch& branch = branches_[younger];
        if (branch.parent == younger) return 0;  // two roots
        upto = std::min(upto, branch.fork);
        younger = branch.parent;
    }
    return upto;
}

BranchIx Archive::writer_of(BranchIx branch, std::uint64_t lsn) const {
    while (lsn <= branches_[branch].fork && branches_[branch].parent != branch) branch = branches_[branch].parent;
    return branch;
}

std::uint64_t Archive::complete_before(BranchIx branch, std::uint64_t lsn) const {
    // Where a branch forks off, a record of its parent ends.
    const BranchIx writer = writer_of(branch, lsn);
    const auto& records = branches_[writer].records;
    const auto after = std::upper_bound(records.begin(), records.end(), lsn,
                                        [](std::uint64_t value, const Record& r) { return value < r.end; });
    return after == records.begin() ? branches_[writer].fork : (after - 1)->end;
}

std::uint64_t Archive::record_after(BranchIx branch, std::uint64_t lsn) const {
    const BranchIx writer = writer_of(branch, lsn + 1);
    const auto& records = branches_[writer].records;
    const auto after = std::upper_bound(records.begin(), records.end(), lsn,
                                        [](std::uint64_t value, const Record& r) { return value < r.end; });
    return after == records.end() ? 0 : after->end;
}

std::vector<TimelineFork> Archive::forks(BranchIx branch) const {
    std::vector<TimelineFork> found;
    for (; branches_[branch].parent != branch; branch = branches_[branch].parent) {
        const Branch& b = branches_[branch];
        const std::uint32_t before = branches_[b.parent].timeline;
        if (before != b.timeline) found.push_back({Timeline{before}, Lsn{b.fork}});
    }
    std::reverse(found.begin(), found.end());
    return found;
}

std::uint64_t Archive::left(BranchIx branch, std::uint32_t timeline) const {
    std::uint64_t end = ~0ULL;
    for (;;) {
        const Branch& b = branches_[branch];
        if (b.timeline == timeline) return end;
        if (b.parent == branch) return 0;
        end = b.fork;
        branch = b.parent;
    }
}

std::uint64_t complete_end(const Archive& archive, const Wal& wal) {
    return wal.empty() ? 0 : archive.complete_before(wal.base().branch, wal.base().to);
}

std::uint32_t timeline_at(const Archive& archive, const Wal& wal, std::uint64_t lsn) {
    for (const Extent& extent : wal.extents)
        if (lsn <= extent.to) return archive[archive.writer_of(extent.branch, lsn)].timeline;
    return wal.empty() ? 0 : archive[wal.extents.back().branch].timeline;
}

bool has(const Archive& archive, const Wal& wal, BranchIx branch, std::uint64_t lsn) {
    return !wal.empty() && wal.base().to >= lsn && archive.common(wal.base().branch, branch) >= lsn;
}

void write(const Archive& archive, Wal& wal, std::uint64_t from, BranchIx branch, std::uint64_t to) {
    if (wal.empty()) {
        wal.extents = {{branch, to}};
        return;
    }
    // What lies there already and is the same stays, also beyond `to`.
    if (has(archive, wal, branch, to)) return;
    // Before `from` everything stays as it is.
    while (wal.extents.size() > 1 && wal.extents[wal.extents.size() - 2].to >= from) wal.extents.pop_back();
    Extent& last = wal.extents.back();
    last.to = std::min(last.to, std::max(from, std::min(last.to, archive.common(last.branch, branch))));
    if (archive.common(last.branch, branch) >= last.to) {
        last = {branch, to};
        return;
    }
    last.to = std::min(last.to, from);
    wal.extents.push_back({branch, to});
}

}  // namespace pgaf::sim
