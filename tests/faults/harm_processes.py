"""Processes that die or stand still: one, all of a node, all nodes."""

import signal

import paths  # noqa: F401
from local import processes

from nemesis import ends, nemesis
from staleness import KEEPER, NO_SESSION

SHORT, LONG = (0.2, 2.0), (4.0, 9.0)
# Beyond the 10 s after which a keeper says that a server that answers nothing is stuck.
STUCK = (15.0, 25.0)


def any_node(world, chance, primary=0.6):
    """The primary more often than not."""
    return world.primary() if chance.random() < primary else chance.choice(world.cluster.nodes)


def any_time(chance):
    """Shorter than any timeout, or longer."""
    return chance.uniform(*(SHORT if chance.random() < 0.4 else LONG))


def till_stuck(chance):
    """As any_time(), or so long that a keeper does something about it, one time in four."""
    return chance.uniform(*STUCK) if chance.random() < 0.25 else any_time(chance)


def stopped(world, pids, seconds):
    """These processes stand still for so long."""
    with ends(lambda: [processes.send(pid, signal.SIGCONT) for pid in pids]):
        for pid in pids:
            processes.send(pid, signal.SIGSTOP)
        world.pause(seconds)


# ---- kill -9 --------------------------------------------------------------------------------------------------------


@nemesis("kill_node", "every process of the primary's node dies at once", weight=4)
def kill_node(world, chance):
    old = world.primary()
    with ends(old.start):
        old.kill()
        if world.alone:
            world.wait_other_primary(old)
            world.wait_acknowledged(60, "after the primary's node was killed")
        else:
            world.pause(any_time(chance))


@nemesis("kill_standby", "every process of a standby's node dies at once")
def kill_standby(world, chance):
    node = chance.choice(world.standbys())
    with ends(node.start):
        node.kill()
        world.pause(any_time(chance))
        if world.alone:
            world.wait_acknowledged(60, "with a standby gone")


@nemesis("kill_postmaster", "the primary's postmaster is killed, its backends find out by themselves", weight=3)
def kill_postmaster(world, chance):
    epoch = world.epoch()
    world.primary().kill_postmaster()
    if world.alone:
        world.wait_failover(epoch)
        world.wait_acknowledged(60, "after the postmaster was killed")


@nemesis("kill_backend", "a server process of the primary is killed")
def kill_backend(world, chance):
    any_node(world, chance).crash_backend()


@nemesis("kill_keeper", "a keeper is killed and started again after a while", stale=KEEPER)
def kill_keeper(world, chance):
    node = any_node(world, chance)
    with ends(node.keeper.start):
        node.keeper.kill()
        world.pause(any_time(chance))
        if world.alone:
            world.wait_acknowledged(60, "with a keeper gone")


@nemesis("kill_launcher", "a launcher is killed, and PostgreSQL goes with it", stale=KEEPER)
def kill_launcher(world, chance):
    node = any_node(world, chance)
    with ends(node.launcher.start):
        node.launcher.kill()
        world.pause(any_time(chance))


@nemesis("kill_managers", "keeper, launcher and postmaster of the primary are killed together", stale=KEEPER)
def kill_managers(world, chance):
    old, epoch = world.primary(), world.epoch()
    with ends(old.start):
        old.kill_managers_and_postmaster()
        if world.alone:
            world.wait_failover(epoch)
        world.pause(any_time(chance))


@nemesis("kill_monitor", "the monitor is killed and started again after a while")
def kill_monitor(world, chance):
    monitor = world.cluster.monitor
    with ends(monitor.start):
        monitor.kill()
        world.pause(any_time(chance))
        if world.alone:
            world.wait_acknowledged(60, "with the monitor gone")


@nemesis("kill_all_nodes", "the nodes lose their power, all at once, and come back one by one", weight=1)
def kill_all_nodes(world, chance):
    nodes = list(world.cluster.nodes)
    with ends(*(node.start for node in nodes)):
        world.cluster.kill(nodes)
        chance.shuffle(nodes)
        for node in nodes:
            world.pause(chance.uniform(*SHORT))
            node.start()


@nemesis("kill_everything", "nodes and monitor lose their power", weight=1)
def kill_everything(world, chance):
    with ends(world.cluster.monitor.start, *(node.start for node in world.cluster.nodes)):
        world.cluster.kill()


@nemesis("new_primary_killed", "the primary's node dies, and the next one's right after its promotion", weight=3)
def new_primary_killed(world, chance):
    first = world.primary()
    with ends(first.start):
        first.kill()
        second, epoch = world.wait_other_primary(first), world.epoch()
        with ends(second.start):
            if chance.random() < 0.5:
                second.kill()
            else:
                second.kill_postmaster()
            world.pause(chance.uniform(*SHORT))
            first.start()
            if world.alone:
                world.wait_failover(epoch)
                world.wait_acknowledged(60, "with two of three nodes after two failovers")


@nemesis("two_nodes_killed", "the primary's node and a standby's die within a moment")
def two_nodes_killed(world, chance):
    primary, standby = world.primary(), chance.choice(world.standbys())
    with ends(primary.start, standby.start):
        for node in chance.sample([primary, standby], 2):
            node.kill()
            world.pause(chance.uniform(0, 0.3))
        world.pause(any_time(chance))


# ---- SIGSTOP --------------------------------------------------------------------------------------------------------


@nemesis("freeze_node", "the primary's machine stands still and goes on when it was replaced", weight=3, stale=KEEPER)
def freeze_node(world, chance):
    old = world.primary()
    with ends(old.thaw):
        old.freeze()
        if world.alone:
            world.wait_other_primary(old)
            world.wait_acknowledged(60, "with the primary's machine frozen")
        else:
            world.pause(any_time(chance))


@nemesis("thaw_at_promotion", "the frozen primary goes on in the very moment of the promotion", weight=3, stale=KEEPER)
def thaw_at_promotion(world, chance):
    old = world.primary()
    with ends(old.thaw):
        seen = world.log_end()
        old.freeze()
        world.wait_event("node_chosen", seen)
        world.pause(chance.uniform(0, 0.05))
        old.thaw()
        if world.alone:
            world.wait_other_primary(old)
            world.wait_acknowledged(60, "after the old primary went on in the moment of the promotion")


@nemesis("freeze_standby", "a standby's machine stands still for a while", stale=KEEPER)
def freeze_standby(world, chance):
    node = chance.choice(world.standbys())
    with ends(node.thaw):
        node.freeze()
        world.pause(any_time(chance))
        if world.alone:
            world.wait_acknowledged(60, "with a standby frozen")


@nemesis("freeze_all_nodes", "all nodes' machines stand still at once, half of the time the monitor's too", weight=1,
         stale=KEEPER)
def freeze_all_nodes(world, chance):
    nodes, monitor = list(world.cluster.nodes), world.cluster.monitor.process
    chance.shuffle(nodes)
    with ends(*(node.thaw for node in nodes), lambda: monitor.signal(signal.SIGCONT)):
        if chance.random() < 0.5:
            monitor.signal(signal.SIGSTOP)
        for node in nodes:
            node.freeze()
        world.pause(chance.uniform(*LONG) if world.alone else any_time(chance))
    if world.alone:
        world.wait_acknowledged(60, "after all nodes stood still")


def without_answer(world, chance, node, pids, what):
    """These processes of its server stand still; keeper and launcher go on. A primary like that has to be replaced."""
    with ends(lambda: [processes.send(pid, signal.SIGCONT) for pid in pids]):
        for pid in pids:
            processes.send(pid, signal.SIGSTOP)
        if world.alone:
            world.wait_other_primary(node)
            world.wait_acknowledged(60, f"with {what} frozen")
        else:
            world.pause(till_stuck(chance))


@nemesis("freeze_postmaster", "a postmaster stands still, its sessions go on", stale=NO_SESSION)
def freeze_postmaster(world, chance):
    node = world.primary() if world.alone else any_node(world, chance)
    pid = node.postmaster
    without_answer(world, chance, node, [pid] if pid else [], "the primary's postmaster")


@nemesis("freeze_server", "all of PostgreSQL on a node stands still, keeper and launcher go on", stale=NO_SESSION)
def freeze_server(world, chance):
    node = world.primary() if world.alone else any_node(world, chance)
    without_answer(world, chance, node, node.server_processes(), "the primary's PostgreSQL")


@nemesis("freeze_keeper", "a keeper stands still", stale=KEEPER)
def freeze_keeper(world, chance):
    pid = any_node(world, chance).keeper.pid
    stopped(world, [pid] if pid else [], any_time(chance))
    if world.alone:
        world.wait_acknowledged(60, "after a keeper stood still")


@nemesis("freeze_launcher", "a launcher stands still", stale=KEEPER)
def freeze_launcher(world, chance):
    pid = any_node(world, chance).launcher.pid
    stopped(world, [pid] if pid else [], any_time(chance))


@nemesis("freeze_monitor", "the monitor stands still")
def freeze_monitor(world, chance):
    pid = world.cluster.monitor.pid
    with ends(lambda: pid and processes.send(pid, signal.SIGCONT)):
        if pid:
            processes.send(pid, signal.SIGSTOP)
        world.pause(any_time(chance))
        if world.alone:
            world.wait_acknowledged(60, "with the monitor frozen")


@nemesis("freeze_backend", "one session of a server stands still, whatever locks it holds", stale=NO_SESSION)
def freeze_backend(world, chance):
    node = any_node(world, chance, 0.9)
    found = node.server_process("postgres postgres")
    stopped(world, [chance.choice(found)] if found else [], any_time(chance))


@nemesis("freeze_helper", "a server's checkpointer, WAL writer, WAL sender or receiver, or startup process stands still")
def freeze_helper(world, chance):
    node = any_node(world, chance)
    kinds = ["checkpointer", "walwriter", "background writer", "walsender", "walreceiver", "startup"]
    found = node.server_process(chance.choice(kinds)) or node.server_process("checkpointer")
    stopped(world, found, any_time(chance))
