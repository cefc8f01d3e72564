// Streaming in the model: receivers, walsenders, and what they release.
#pragma once

#include "tests/sim/world.h"

namespace pgaf::sim {

void on_receiver_connects(World& w, NodeIx node, std::uint32_t run);
void on_wal(World& w, NodeIx node, std::uint32_t link);
void on_reply(World& w, NodeIx node, std::uint32_t link, std::uint64_t flushed);
/// `check`: only if the other end is gone, or silent for the whole of wal_sender_timeout.
void on_sender_lost(World& w, NodeIx node, std::uint32_t link, bool check);
void on_receiver_lost(World& w, NodeIx node, std::uint32_t link, bool check);
void on_sender_reloads(World& w, NodeIx node, std::uint32_t link);
void on_flushed(World& w, NodeIx node, std::uint32_t run);

/// Its startup process wants a receiver.
void plan_connect(World& w, NodeIx node, Micros low, Micros high);
/// The receiver's process ends; the other end hears of it.
void end_receiver(World& w, NodeIx node);
void end_sender(World& w, NodeIx node, std::uint32_t link);
/// Both ends of every connection of this server: its processes are gone. Without `told` the others only hear nothing.
void drop_links(World& w, NodeIx node, bool told);
/// New WAL can be sent.
void kick_senders(World& w, NodeIx node);
void plan_flush(World& w, NodeIx node);
/// Commits up to there wait no longer.
void release(World& w, NodeIx node, std::uint64_t upto);
/// An end of a connection whose other end has been silent since before `limit` ago.
[[nodiscard]] bool silent_for(const World& w, std::size_t listener, std::size_t speaker, Micros limit);
/// The ends of this machine's connections watch for silence from now on.
void watch_links(World& w, NodeIx node);

constexpr Micros wal_timeout = 2500 * ms;

}  // namespace pgaf::sim
