"""Disks that are full, that hang, or that take no writes any more."""

import shutil
import signal

import paths  # noqa: F401
from local import LocalError, processes

from harm_processes import any_node
from nemesis import ends, nemesis
from staleness import DISK, KEEPER


def repaired(world, node, disk):
    """A file system that has given up is repaired while nobody uses it, as after a restart of the machine."""
    if disk.state == "read-only":
        node.kill()
    disk.mend()
    node.start()


@nemesis("full_disk", "a node's data disk is full for a while", stale=DISK)
def full_disk(world, chance):
    node = any_node(world, chance)
    disk = world.disks[node.name]
    with ends(disk.mend):
        disk.fill()
        world.pause(chance.uniform(4, 10))


# When a table has no room before WAL has none, the server lives on, and only the disk probe would tell.
@nemesis("full_primary", "the primary's disk is full, and WAL is written until there is no room for it", stale=DISK)
def full_primary(world, chance):
    old = world.primary()
    disk = world.disks[old.name]
    with ends(disk.mend):
        disk.fill()
        for _ in range(40):
            try:
                old.sql("CREATE TABLE filled(); DROP TABLE filled; SELECT pg_switch_wal()", timeout=20)
            except Exception:  # it has ended, or hangs
                break
        if world.alone:
            world.wait_other_primary(old)
            world.wait_acknowledged(60, "with the primary's disk full")


@nemesis("full_tables", "the primary's disk has no room for another block of a table, while there is room in its WAL",
         stale=DISK)
def full_tables(world, chance):
    old = world.primary()
    disk = world.disks[old.name]
    with ends(disk.mend):
        disk.fill(leave=4096)
        if world.alone:
            world.wait_other_primary(old)
            world.wait_acknowledged(60, "with no room for tables on the primary")
        else:
            world.pause(chance.uniform(3, 9))


@nemesis("read_only_disk", "the primary's file system gives up and takes no writes", stale=DISK)
def read_only_disk(world, chance):
    old = world.primary()
    disk = world.disks[old.name]
    with ends(lambda: repaired(world, old, disk)):
        disk.refuse_writes()
        if world.alone:
            world.wait_other_primary(old)
            world.wait_acknowledged(60, "with the primary's disk read-only")
        else:
            world.pause(chance.uniform(3, 9))


@nemesis("read_only_standby", "a standby's file system gives up and takes no writes", weight=1, stale=DISK)
def read_only_standby(world, chance):
    node = chance.choice(world.standbys())
    disk = world.disks[node.name]
    with ends(lambda: repaired(world, node, disk)):
        disk.refuse_writes()
        world.pause(chance.uniform(4, 9))
        if world.alone:
            world.wait_acknowledged(60, "with a standby's disk read-only")


@nemesis("hung_disk", "the primary's disk hangs: writes have no end, everything else is answered", stale=KEEPER)
def hung_disk(world, chance):
    old = world.primary()
    disk = world.disks[old.name]
    with ends(disk.mend):
        disk.hang()
        if world.alone:
            world.wait_other_primary(old, 45)
            world.wait_acknowledged(60, "with the primary's disk hung")
        else:
            world.pause(chance.uniform(3, 12))


@nemesis("hung_standby", "a standby's disk hangs", stale=KEEPER)
def hung_standby(world, chance):
    node = chance.choice(world.standbys())
    disk = world.disks[node.name]
    with ends(disk.mend):
        disk.hang()
        world.pause(chance.uniform(4, 12))
        if world.alone:
            world.wait_acknowledged(60, "with a standby's disk hung")


@nemesis("emptied_disk", "a node's machine is replaced: data and keeper's state are gone, the name stays", weight=1)
def emptied_disk(world, chance):
    if not world.cluster.is_healthy():
        # What is acknowledged may be on this disk and one other alone: two of them must not go.
        raise LocalError("the cluster is not well enough to lose a disk")
    node = any_node(world, chance)
    with ends(node.start):
        node.kill()
        for folder in (node.data, node.state):
            for each in folder.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        world.pause(chance.uniform(0, 5))


@nemesis("promotion_without_room", "the best candidate has no room to be promoted, and the old primary a tail of its own",
         stale=DISK)
def promotion_without_room(world, chance):
    # By their priority, the old primary is the last that would be chosen.
    best, other, *_, old = sorted(world.cluster.nodes, key=lambda node: -node.priority)
    if world.primary() is not old:
        world.cluster.ctl.run("perform", "switchover", "--to", old.name, "--yes", timeout=90)
        if world.alone:
            world.settle()
        if world.primary() is not old:
            raise LocalError(f"{old.name} does not become the primary")
    disk = world.disks[best.name]
    # Both begin in the same segment, with room in it.
    old.sql("SELECT pg_switch_wal()")
    world.pause(1)
    senders = old.server_process("walsender")
    with ends(disk.mend, lambda: [processes.send(pid, signal.SIGCONT) for pid in senders], old.start):
        disk.fill(leave=4 << 20)  # for files, not for a WAL segment
        for pid in senders:
            processes.send(pid, signal.SIGSTOP)
        old.sql("SET synchronous_commit = off; SELECT pg_logical_emit_message(false, 'faults', 'tail'), pg_sleep(1)")
        old.kill()
        if not world.alone:
            return world.pause(chance.uniform(4, 9))
        old.start()
        world.wait_acknowledged(60, f"with no room on {best.name} for its promotion, while {other.name} has all that counts")
    return None
