"""What PostgreSQL itself can be in the middle of: replay that stands still, promotions nobody asked for, rules that change,
large records; and what operators do at a bad moment."""

import contextlib
import signal
import subprocess
import threading
import time

import paths  # noqa: F401
from local import LocalError, processes

from harm_network import both_ways, names, others
from harm_processes import any_time
from nemesis import ends, nemesis
from staleness import KEEPER

# A server that somebody has promoted is brought back into line much sooner, in seconds.
BY_HAND = 20


def quietly(node, statements, timeout=20):
    """What it returned, or None when the server does not let one, or takes too long."""
    with contextlib.suppress(LocalError, subprocess.TimeoutExpired):
        return node.sql(statements, timeout)
    return None


def take_over(world, chance, old, what):
    """The primary goes, in one way or another, and must be replaced."""
    epoch = world.epoch()
    with ends(old.thaw, old.start):
        way = chance.choice([old.kill, old.freeze, old.kill_postmaster])
        way()
        if world.alone:
            world.wait_failover(epoch)
            world.wait_acknowledged(90, what)
        else:
            world.pause(chance.uniform(2, 9))


# ---- replay ---------------------------------------------------------------------------------------------------------


@nemesis("replay_paused", "replay is paused on the standbys while one of them has to take over", stale=KEEPER)
def replay_paused(world, chance):
    old, standbys = world.primary(), world.standbys()

    def resume():
        # The one that was promoted replays by itself, and the cluster resumes replay on the one that is to follow it;
        # a standby that streams is left as somebody wanted it.
        for node in standbys:
            quietly(node, "SELECT pg_wal_replay_resume() WHERE pg_is_in_recovery()")

    with ends(resume):
        for node in standbys:
            quietly(node, "SELECT pg_wal_replay_pause()")
        world.pause(chance.uniform(0.5, 3))
        take_over(world, chance, old, "with replay paused on the standbys")


@nemesis("replay_conflict", "a long query on each standby conflicts with replay while one of them has to take over",
         stale=KEEPER)
def replay_conflict(world, chance):
    old, standbys = world.primary(), world.standbys()
    old.sql("CREATE TABLE IF NOT EXISTS conflict (n int); INSERT INTO conflict SELECT generate_series(1, 1000)")
    world.pause(1)
    query = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM conflict; SELECT pg_sleep(25)"
    readers = [threading.Thread(target=quietly, args=(node, query, 60)) for node in standbys]
    for reader in readers:
        reader.start()
    world.pause(1)
    # What the readers may still see is removed: replay of that has to wait for them, or to end them.
    quietly(old, "DELETE FROM conflict")
    quietly(old, "VACUUM conflict")
    world.pause(chance.uniform(0.5, 3))
    take_over(world, chance, old, "with replay in conflict on the standbys")
    for reader in readers:
        reader.join()


@nemesis("replay_behind", "the standbys have much WAL that is not replayed yet when one of them has to take over",
         stale=KEEPER)
def replay_behind(world, chance):
    old = world.primary()
    startups = [pid for node in world.standbys() for pid in node.server_process("startup")]
    with ends(lambda: [processes.send(pid, signal.SIGCONT) for pid in startups]):
        for pid in startups:
            processes.send(pid, signal.SIGSTOP)
        quietly(old, "CREATE TABLE IF NOT EXISTS behind (t text); INSERT INTO behind SELECT repeat('x', 200) FROM "
                     "generate_series(1, 100000); TRUNCATE behind", 40)
    take_over(world, chance, old, "with much WAL to replay")


# ---- large records --------------------------------------------------------------------------------------------------


@nemesis("large_records", "records larger than a WAL segment are under way when the primary goes", weight=3, stale=KEEPER)
def large_records(world, chance):
    old = world.primary()
    stop = threading.Event()

    def write():
        # One such record fills several segments, and its end comes long after its beginning. Nothing of it is vital.
        while not stop.is_set() and quietly(
                old, "SET synchronous_commit = off; SELECT pg_logical_emit_message(false, 'faults', "
                     f"repeat('x', {chance.choice([3, 18, 40])} * 1024 * 1024))", 20) is not None:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    try:
        world.pause(chance.uniform(0.3, 2))
        take_over(world, chance, old, "after large records")
    finally:
        stop.set()
        writer.join()


# ---- rules that change ----------------------------------------------------------------------------------------------


@nemesis("rule_walsender", "a WAL sender is frozen while the sync rule changes")
def rule_walsender(world, chance):
    primary, standbys = world.primary(), world.standbys()
    standby = chance.choice(standbys)
    # Another one's than that of the standby that goes: it would go on to look as if it streamed, and the rule would stay.
    others_of = [node for node in standbys if node is not standby] or standbys
    found = primary.server_process("walsender", f" {chance.choice(others_of).address}(")
    frozen_helper(world, chance, "rule_walsender", primary, standby, found)


@nemesis("rule_checkpointer", "the checkpointer is frozen while the sync rule changes")
def rule_checkpointer(world, chance):
    primary, standby = world.primary(), chance.choice(world.standbys())
    frozen_helper(world, chance, "rule_checkpointer", primary, standby, primary.server_process("checkpointer"))


def frozen_helper(world, chance, name, primary, standby, found):
    """The rule changes as a standby goes and comes back; then the primary may have to go, too."""
    with ends(lambda: [processes.send(pid, signal.SIGCONT) for pid in found], standby.start):
        for pid in found:
            processes.send(pid, signal.SIGSTOP)
        seen = world.log_end()
        standby.kill()
        world.pause(chance.uniform(2, 5))
        # The primary is told of the new rule when this is logged. It takes until the standby is missed; in a mix that may never be.
        changing = world.event_comes("sync_rule_changing", seen, 60 if world.alone else 2, primary)
        frozen = bool(found) and all(processes.stands_still(pid) for pid in found)
        world.took_place(name, changing and frozen,
                         f"{primary.name}'s rule {'changes' if changing else 'does not change'}, "
                         f"what was to stand still {'does' if frozen else 'does not'}")
        world.pause(chance.uniform(0, 1))
        standby.start()
        world.pause(chance.uniform(0.5, 4))
        if chance.random() < 0.5:
            primary.kill()
            primary.start()


@nemesis("quorum_changes", "an operator changes which nodes count, and how many, while a standby comes and goes", weight=1)
def quorum_changes(world, chance):
    ctl, standby = world.cluster.ctl, chance.choice(world.standbys())
    with ends(lambda: ctl.run("set", "node", "replication-quorum", "--name", standby.name, "true"),
              lambda: ctl.run("set", "cluster", "number-sync-standbys", "1"), standby.start):
        ctl.run("set", "cluster", "number-sync-standbys", chance.choice(["0", "2"]))
        world.pause(chance.uniform(0, 2))
        standby.kill()
        ctl.run("set", "node", "replication-quorum", "--name", standby.name, "false")
        world.pause(any_time(chance))


# ---- behind the manager's back --------------------------------------------------------------------------------------


@nemesis("promoted_standby", "somebody promotes a standby with psql, and it is brought back into line", weight=1)
def promoted_standby(world, chance):
    node, primary, epoch = chance.choice(world.standbys()), world.primary(), world.epoch()
    server_log = node.folder / "log" / "postgres.log"
    began, seen, server_seen = time.monotonic(), world.log_end(), world.log_end(server_log)
    world.by_hand.append((node, began, began + BY_HAND))
    quietly(node, "SELECT pg_promote(false)")
    # The answer says only that it was asked for. With the new timeline it is read-write, past the cluster.
    promoted = world.comes("selected new timeline ID", server_seen, 30 if world.alone else 3, server_log)
    world.took_place("promoted_standby", promoted, f"{node.name} was not promoted")
    world.pause(chance.uniform(0, 3))
    if world.alone:
        world.wait_acknowledged(60, "after a standby was promoted by hand")
        world.wait_event("node_rebuilt", seen, 120, node)
        if (world.primary(), world.epoch()) != (primary, epoch):
            world.say("a failover followed, though the primary was well")


# ---- switchovers ----------------------------------------------------------------------------------------------------


def switch(world, chance, to=None):
    """Whether it succeeds depends on what else is wrong; it says so within its limit in any case."""
    to = to or chance.choice(world.standbys())
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = world.cluster.ctl.run("perform", "switchover", "--to", to.name, "--yes", timeout=90)
        said = (done.stdout + done.stderr).strip().splitlines()
        world.say(f"switchover to {to.name}: exit code {done.returncode}, {said[-1] if said else 'nothing said'}")
        return done.returncode == 0
    return False


@nemesis("switchover", "an operator switches over")
def switchover(world, chance):
    if not switch(world, chance) and world.alone:
        raise LocalError("a switchover of a healthy cluster failed")


@nemesis("switchover_frozen_standby", "a switchover while a standby stands still: the one that is meant, or the other",
         stale=KEEPER)
def switchover_frozen_standby(world, chance):
    standbys = world.standbys()
    frozen = chance.choice(standbys)
    with ends(frozen.thaw):
        frozen.freeze()
        if not world.alone:
            switch(world, chance, chance.choice(standbys))
            return world.pause(chance.uniform(0, 3))
        if switch(world, chance, frozen):
            raise world.trouble(f"{frozen.name} took over while it was frozen")
        world.wait_acknowledged(60, f"after a switchover to {frozen.name}, which is frozen")
        other = chance.choice([node for node in world.standbys() if node is not frozen])
        if not switch(world, chance, other):
            raise world.trouble(f"a switchover to {other.name} failed, with {frozen.name} frozen")
        world.wait_acknowledged(60, f"after a switchover with {frozen.name} frozen")
    return None


@nemesis("switchover_cut", "a link breaks while a switchover is under way")
def switchover_cut(world, chance):
    primary, to = world.primary(), chance.choice(world.standbys())
    ends_of = ["monitor", *names(others(world, to))]
    pairs = both_ways([(to.name, chance.choice(ends_of))] if chance.random() < 0.5 else [(primary.name, "monitor")])
    command = threading.Thread(target=switch, args=(world, chance, to))
    command.start()
    with ends(command.join, lambda: [world.network.lose(one, other, 0) for one, other in pairs]):
        world.pause(chance.uniform(0, 0.4))
        for pair in pairs:
            world.network.lose(*pair, 100)
        world.pause(chance.uniform(3, 8))


@nemesis("switchover_killed", "a node dies while a switchover is under way", weight=3)
def switchover_killed(world, chance):
    primary, to = world.primary(), chance.choice(world.standbys())
    victim = chance.choice([primary, to])
    command = threading.Thread(target=switch, args=(world, chance, to))
    command.start()
    with ends(command.join, victim.start):
        world.pause(chance.uniform(0, 0.5))
        victim.kill()
        world.pause(any_time(chance))
