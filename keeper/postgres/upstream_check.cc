#include "keeper/postgres/upstream_check.h"

#include <algorithm>
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

Lsn told_end(const Received& local) {
    return std::max(local.received, local.replayed);
}

Async<bool> has_removed(Connection& connection, Lsn needed, std::uint64_t segment_bytes) {
    const std::string segment = segment_name(Timeline{1}, needed.v / segment_bytes, segment_bytes).substr(8);
    const auto rows = co_await connection.query(question, parameters(needed.text(), segment), ask_limit);
    co_return rows && rows->flag(0, "serves") && !rows->flag(0, "has");
}

}  // namespace

UpstreamCheck::Answer UpstreamCheck::look(const NodeName& upstream, const Received& local, std::uint64_t segment_bytes,
                                          bool streaming) {
    const auto now = Clock::now();
    // Not whether it streams: a receiver that is refused is seen streaming for a moment, several times a second.
    const pid_t server = node_.launcher.view().postmaster;
    if (server != state_->server || upstream != state_->upstream || told_end(local) != told_end(state_->local)) {
        // What is being asked or read is about the state before.
        state_ = std::make_shared<State>(State{server, upstream, local, segment_bytes, {}, {}, false});
        since_ = asked_ = now;
        return {};
    }
    const Peer* peer = find_peer(node_.layout.peers, upstream);
    const bool due = now - since_ >= worth_asking && (asked_ == since_ || now - asked_ >= ask_again);
    if (peer != nullptr && segment_bytes != 0 && due && !streaming && !state_->asking && !*reading_) {
        asked_ = now;
        state_->asking = true;
        boost::asio::co_spawn(node_.strand, ask(node_.shared_from_this(), *peer, state_, reading_),
                              boost::asio::detached);
    }
    return state_->answer;
}

Async<void> UpstreamCheck::ask(std::shared_ptr<Node> node, Peer upstream, std::shared_ptr<State> state,
                               Reading reading) {
    Connection connection(node->strand);
    const std::string who = "pgaf asks for " + node->config.node.v;
    const auto opened = co_await connection.open(upstream_conninfo(node->config, upstream, who, "postgres"), ask_limit);
    if (opened) co_await find_answer(node, connection, upstream, state, reading);
    state->asking = false;
}

/// Most often the upstream has even what the server speaks of; pg_wal is read only when it has not.
Async<void> UpstreamCheck::find_answer(std::shared_ptr<Node> node, Connection& connection, Peer upstream,
                                       std::shared_ptr<State> state, Reading reading) {
    Lsn needed = std::max(told_end(state->local), state->end);
    bool gone = co_await has_removed(connection, needed, state->segment_bytes);
    if (gone && state->end.empty()) {
        *reading = true;
        const auto end = co_await read_end(*node, state->local);
        *reading = false;
        if (!end) {
            state->answer = {{},
                             upstream.node.v + " no longer has the WAL from " + needed.text() +
                                 " on, and where this node's own WAL ends can't be read, so it is not cloned: " +
                                 end.error().message};
            co_return;
        }
        // A record that is torn into the next segment is asked for from there on.
        state->end = std::max({needed, end->scanned.complete, end->scanned.torn});
        if (state->end > needed) {
            needed = state->end;
            gone = co_await has_removed(connection, needed, state->segment_bytes);
        }
    }
    state->answer = {gone ? upstream.node.v + " no longer has the WAL from " + needed.text() + " on" : "", {}};
}

}  // namespace pgaf::keeper
