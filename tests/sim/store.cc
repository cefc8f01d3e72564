#include "tests/sim/store.h"

#include <algorithm>
#include <utility>

namespace pgaf::sim {
namespace {

/// SqliteStore::recall_life.
std::string disagreement(const MonitorStore& store) {
    const bool never_used = store.life == 0 || store.commits == 0;
    const std::optional<StoreLife>& beside = store.beside;
    if (!beside) return never_used ? "" : "the file beside the store is missing";
    if (beside->life != store.life) return "the store is another one than the file beside it says";
    return beside->commits > store.commits || beside->term > store.term ? "the store was put back" : "";
}

}  // namespace

void begin_term(MonitorStore& store, std::uint32_t process) {
    const std::string why = disagreement(store);
    if (!why.empty()) store.doubt = why;
    if (!why.empty() || store.life == 0) store.life = process;
    store.term = Term{std::max(store.term, store.beside ? store.beside->term : Term{}).v + 1};
    store.leader = process;
    if (store.record && store.record->doubt.empty()) store.record->doubt = store.doubt;
    store.beside = StoreLife{store.life, store.commits, store.term};
}

void save(MonitorStore& store, const fsm::ClusterRecord& record, bool noted) {
    store.record = record;
    store.term = std::max(store.term, record.term);
    if (record.doubt.empty()) store.doubt.clear();
    ++store.commits;
    if (noted) store.beside = StoreLife{store.life, store.commits, store.term};
}

void replace(MonitorStore& store, MonitorStore by, bool file_too) {
    by.beside = file_too ? std::nullopt : store.beside;
    store = std::move(by);
}

}  // namespace pgaf::sim
