// Folders are made and remade: keeper/postgres/initialise and rebuild on the model.
#include "tests/sim/replication.h"
#include "tests/sim/server.h"
#include "tests/sim/steps.h"

#include <algorithm>

namespace pgaf::sim {
namespace {

constexpr Micros source_limit = 30 * sec;
constexpr const char* not_stopped = "PostgreSQL still runs";

bool source_answers(const Phase& p, NodeIx source) {
    const World& w = p.w;
    return source < w.nodes() && source != p.node && w.machine_runs(source) && w.server(source) &&
           w.server(source)->gives_sessions() && w.network->both_ways(p.node, source) &&
           (w.server(source)->loaded.access & (1U << p.node)) != 0;
}

/// Whoever still works on the files that are about to go fails (only where R13 is switched off somebody does).
void end_survivors(const Phase& p) {
    if (p.machine().server) lose_server(p.w, p.node, false);
}

/// Whose child a program is, and who tells of its end.
bool runs_no_program(const Phase& p) {
    return p.machine().launcher.frozen;
}

/// What a copy brings along, and what the keeper makes of it.
void take_over(const Phase& p, NodeIx source, const keeper::Layout& layout, const IncarnationId& next,
               bool with_slots) {
    const Machine from = *p.w.machines[source];
    Disk& d = p.disk();
    d.has_data = true;
    const std::uint64_t end =
        from.server->in_recovery() ? complete_end(*p.w.archive, from.disk.wal) : from.server->flushed;
    d.wal.extents = {{from.disk.wal.base().branch, end}};
    d.histories = from.disk.histories;
    d.placeholders = from.disk.placeholders;
    d.checkpoint_timeline = from.disk.checkpoint_timeline;
    d.redo = from.disk.redo;
    d.clean = false;
    d.slots = with_slots ? from.disk.slots : 0;
    d.conf = {};
    d.conf.names = closed_names();
    d.conf.open_to_clients = true;
    d.standby_signal = true;
    d.id = inc_of(next);
    d.rebuilding = false;
    p.give_access(layout);
}

}  // namespace

Next advance(const Phase& p, const keeper::Initialise& step) {
    if (!p.stopped()) return failed(not_stopped);
    if (runs_no_program(p)) return again(50 * ms, 200 * ms);
    Disk& d = p.disk();
    if (p.run().phase == 0) {
        d.rebuilding = true;
        return p.enter(1, 300 * ms, 2 * sec);
    }
    d.wal.extents = {{p.w.archive.edit().begin_root(p.node), first_lsn}};
    d.has_data = d.clean = true;
    d.histories.clear();
    d.placeholders.clear();
    d.slots = 0;
    d.checkpoint_timeline = 1;
    d.redo = first_lsn;
    d.conf.names = closed_names();
    d.id = inc_of(step.layout.incarnation);
    d.rebuilding = d.standby_signal = false;
    p.give_access(step.layout);
    return done();
}

Next advance(const Phase& p, const keeper::Adopt& step) {
    if (!p.machine().disk.has_data) return failed("there is no PostgreSQL data folder to adopt");
    if (p.machine().disk.rebuilding) return failed("the data folder is half-made: it has to be cloned, not adopted");
    p.disk().id = inc_of(step.layout.incarnation);
    p.give_access(step.layout);
    reload_server(p.w, p.node);
    return done();
}

Next advance(const Phase& p, const keeper::Rewind& step) {
    if (!p.stopped()) return failed(not_stopped);
    if (runs_no_program(p)) return again(50 * ms, 200 * ms);
    const NodeIx source = node_of(step.upstream);
    if (p.run().phase == 0) {
        if (!source_answers(p, source))
            return p.longer_than(source_limit) ? failed("the source does not answer") : again(300 * ms, 600 * ms);
        end_survivors(p);
        p.disk().rebuilding = true;
        return p.enter(1, 200 * ms, 3 * sec);
    }
    if (!source_answers(p, source) || p.w.chance(0.1)) return failed("pg_rewind ended with exit code 1");
    // By the last checkpoints alone: without one on the source's timeline it sees nothing (T).
    if (p.w.machines[source]->disk.checkpoint_timeline == p.machine().disk.checkpoint_timeline)
        return failed("pg_rewind sees no divergence, but the cluster's history does");
    ++p.w.count.rewinds;
    take_over(p, source, step.layout, step.next, true);
    return done();
}

Next advance(const Phase& p, const keeper::Clone& step) {
    if (!p.stopped()) return failed(not_stopped);
    if (runs_no_program(p)) return again(50 * ms, 200 * ms);
    const NodeIx source = node_of(step.upstream);
    if (p.run().phase == 0) {
        if (!source_answers(p, source))
            return p.longer_than(source_limit) ? failed("the source does not answer") : again(300 * ms, 600 * ms);
        end_survivors(p);
        Disk& d = p.disk();
        d.rebuilding = true;
        d.has_data = false;
        d.wal.extents.clear();
        return p.enter(1, 300 * ms, 5 * sec);
    }
    if (!source_answers(p, source)) return failed("pg_basebackup ended with exit code 1");
    ++p.w.count.clones;
    take_over(p, source, step.layout, step.next, false);
    return done();
}

Next advance(const Phase& p, const keeper::DropTornTail& step) {
    if (!p.stopped()) return failed(not_stopped);
    end_survivors(p);
    Disk& d = p.disk();
    // What remains ends with the last complete record.
    const std::uint64_t end = std::min(complete_end(*p.w.archive, d.wal), step.fork.v);
    if (d.wal.base().to > end) d.wal.extents = {{d.wal.base().branch, end}};
    return done();
}

}  // namespace pgaf::sim
