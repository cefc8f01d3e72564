// Random walks over the heart. PGAF_WALKS sets how many, PGAF_WALK_SEED which one is the first.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/unit/fsm/walk.h"

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("random walks keep the invariants, and the cluster heals") {
    constexpr std::size_t sizes[] = {2, 3, 5, 3, 1};
    const std::uint64_t first = from_environment("PGAF_WALK_SEED", 1);
    const std::uint64_t walks = from_environment("PGAF_WALKS", 300);
    std::uint64_t epochs = 0;
    std::uint64_t commits = 0;
    std::uint64_t stuck = 0;
    std::map<std::string, std::uint64_t> rows;
    for (std::uint64_t seed = first; seed < first + walks; ++seed) {
        pgaf::lab::Walk walk(seed, sizes[seed % std::size(sizes)]);
        bool holds = true;
        std::string broken;
        try {
            for (int i = 0; i < 1500 && holds; ++i) holds = walk.step() && (i % 150 != 149 || walk.heal());
        } catch (const std::exception& e) {
            broken = e.what();
            holds = false;
        }
        if (!holds) FAIL("seed " << seed << "\n" << walk.trace() << broken);
        epochs += walk.lab().watch.epoch.v;
        commits += walk.lab().watch.acknowledged.size();
        stuck += walk.stuck_with_reason;
        for (const auto& [row, count] : walk.rows) rows[row] += count;
    }
    std::string seen;
    for (const auto& [row, count] : rows) seen += row + " " + std::to_string(count) + "\n";
    INFO(epochs << " epochs, " << commits << " commits, " << stuck << " times the operator's word was needed\n"
                << seen);
    // The walks would prove nothing if nothing happened on them.
    CHECK(epochs > 4 * walks);
    CHECK(commits > 40 * walks);
    for (const char* row :
         {"checkpoint-made", "choice", "fast-forward", "first-primary", "maintenance-begins", "move-primary",
          "node-forgotten", "operator-failover", "primary-exited", "primary-folder-gone", "primary-lost",
          "primary-stuck", "restart-in-place", "rule-never-promised", "rule-proved", "switchover-given-up", "sync-rule",
          "takeover-finished"}) {
        INFO("never applied: " << row);
        CHECK((rows[row] > 0 || walks < 200));
    }
}

TEST_CASE("random walks of asynchronous clusters: one primary at a time, and the cluster heals (R7)") {
    constexpr std::size_t sizes[] = {2, 3, 4};
    const std::uint64_t first = from_environment("PGAF_WALK_SEED", 1);
    const std::uint64_t walks = from_environment("PGAF_WALKS", 150);
    std::uint64_t leases = 0;
    std::uint64_t lost = 0;
    std::uint64_t commits = 0;
    for (std::uint64_t seed = first; seed < first + walks; ++seed) {
        pgaf::lab::Walk walk(seed, sizes[seed % std::size(sizes)], true);
        bool holds = true;
        std::string broken;
        try {
            for (int i = 0; i < 1000 && holds; ++i) holds = walk.step() && (i % 100 != 99 || walk.heal());
        } catch (const std::exception& e) {
            broken = e.what();
            holds = false;
        }
        if (!holds) FAIL("seed " << seed << "\n" << walk.trace() << broken);
        leases += walk.leases_ended;
        lost += walk.lab().lost_by_failover;
        commits += walk.lab().watch.acknowledged.size();
    }
    INFO(leases << " leases were waited for, " << lost << " commits lost, " << commits << " kept");
    CHECK((leases > walks / 10 || walks < 100));
    CHECK((lost > 0 || walks < 100));
    CHECK(commits > 40 * walks);
}
