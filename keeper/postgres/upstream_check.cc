#include "keeper/postgres/upstream_check.h"

#include <boost/asio/detached.hpp>

#include "keeper/postgres/wal_files.h"

namespace pgaf::keeper {
namespace {

/// A receiver that can connect does so within a fraction of this.
constexpr std::chrono::seconds worth_asking{3};
constexpr std::chrono::seconds ask_again{5};
constexpr Millis ask_limit{5000};

// pg_ls_dir() is one of the functions that the replication role may call, for pg_rewind.
constexpr const char* question = R"(
SELECT CASE WHEN pg_is_in_recovery() THEN false ELSE pg_current_wal_flush_lsn() > $1::pg_lsn END AS serves,
  EXISTS (SELECT FROM pg_ls_dir('pg_wal', true, false) AS f WHERE length(f) = 24 AND substr(f, 9) = $2) AS has)";

}  // namespace

std::string UpstreamCheck::wal_gone(const NodeName& upstream, Lsn needed, std::uint64_t segment_bytes, bool streaming) {
    const auto now = Clock::now();
    // Not whether it streams: a receiver that is refused is seen streaming for a moment, several times a second.
    if (upstream != state_->upstream || needed != state_->needed) {
        // What is being asked is about the state before.
        state_ = std::make_shared<State>(State{upstream, needed, {}, false});
        since_ = asked_ = now;
        return {};
    }
    const Peer* peer = find_peer(node_.layout.peers, upstream);
    const bool due = now - since_ >= worth_asking && (asked_ == since_ || now - asked_ >= ask_again);
    if (peer != nullptr && segment_bytes != 0 && due && !streaming && !state_->asking) {
        asked_ = now;
        state_->asking = true;
        const std::string segment = segment_name(Timeline{1}, needed.v / segment_bytes, segment_bytes).substr(8);
        boost::asio::co_spawn(node_.strand, ask(node_.shared_from_this(), *peer, segment, state_),
                              boost::asio::detached);
    }
    return state_->gone;
}

Async<void> UpstreamCheck::ask(std::shared_ptr<Node> node, Peer upstream, std::string segment,
                               std::shared_ptr<State> state) {
    Connection connection(node->strand);
    const std::string who = "pgaf asks for " + node->config.node.v;
    const auto opened = co_await connection.open(upstream_conninfo(node->config, upstream, who, "postgres"), ask_limit);
    if (opened) {
        const auto rows = co_await connection.query(question, parameters(state->needed.text(), segment), ask_limit);
        const bool gone = rows && rows->flag(0, "serves") && !rows->flag(0, "has");
        state->gone = gone ? upstream.node.v + " no longer has the WAL from " + state->needed.text() + " on" : "";
    }
    state->asking = false;
}

}  // namespace pgaf::keeper
