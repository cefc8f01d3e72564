// A store that forgets with its process: for tests, and for trying things out.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "monitor/store/store.h"

namespace pgaf::monitor {

class MemoryStore : public Store {
  public:
    explicit MemoryStore(std::uint32_t events_kept = default_events_kept) : events_kept_(events_kept) {}

    Result<Term> begin_term(const MonitorId& monitor) override;
    Result<void> still_leads() override { return overtaken_.empty() ? Result<void>() : error(overtaken_); }
    [[nodiscard]] const std::string& doubt() const override { return doubt_; }
    Result<std::vector<fsm::ClusterRecord>> load() override;
    Result<std::vector<Event>> save(const fsm::ClusterRecord& record, const std::vector<fsm::LogEntry>& log,
                                    std::int64_t unix_ms) override;
    Result<std::vector<Event>> events(const EventQuery& query) override;
    Result<std::uint64_t> last_event(const ClusterName& cluster) override;

    /// From now on each save() fails with this message; empty: they succeed again.
    /// What a store of a file finds out by itself: see doubt() and still_leads().
    void be_doubtful(std::string why) { doubt_ = std::move(why); }
    void be_overtaken(std::string why) { overtaken_ = std::move(why); }
    void fail_saves(std::string message) { failure_ = std::move(message); }

  private:
    std::uint32_t events_kept_;
    Term term_;
    std::uint64_t last_seq_ = 0;
    std::map<ClusterName, fsm::ClusterRecord> records_;
    std::map<ClusterName, std::deque<Event>> events_;
    std::string failure_;
    std::string doubt_;
    std::string overtaken_;
};

}  // namespace pgaf::monitor
