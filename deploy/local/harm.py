"""Commands of deploy/demo that hurt one part of it, or bring it back: what the handbook tries out."""

import time

from . import processes
from .errors import LocalError
from .screen import check_monitor, existing, hint, not_running, say, show, wait_with_progress

WHO = "a node's name, 'primary', 'standby' (one of them)"
COMMANDS = (
    ("kill", "kill nodes, or the monitor, by SIGKILL: as if their machines had lost their power"),
    ("stop", "stop a node, or the monitor, in order: as if its machine were shut down"),
    ("freeze", "let a node stand still, as a machine that hangs"),
    ("thaw", "let the frozen nodes go on"),
    ("start", "start what was killed or stopped: a node, the monitor, or all that is down"),
)
SETTLED_WITHIN = 120
WELL_WITHIN = 4


def add_arguments(name, command):
    if name == "kill":
        command.add_argument("nodes_named", nargs="+", metavar="node", help=f"{WHO} or 'monitor'; several die at once")
    if name == "stop":
        command.add_argument("node", help=f"{WHO} or 'monitor'")
    if name == "kill":
        command.add_argument("--postmaster", action="store_true", help="only PostgreSQL's main process")
    if name == "freeze":
        command.add_argument("node", help=WHO)
    if name in ("thaw", "start"):
        command.add_argument("node", nargs="?", help="a node's name" + (" or 'monitor'" if name == "start" else ""))


def find(cluster, name):
    """The node that is meant; `primary` and `standby` are looked up."""
    if name == "primary":
        return cluster.primary()
    if name != "standby":
        return cluster.node(name)
    up = [node for node in cluster.standbys() if node.runs() and node.postmaster]
    if not up:
        raise LocalError("no standby runs")
    return up[0]


def kill(arguments):
    """All that are named in one moment: what is noticed in between would make another story."""
    cluster = existing(arguments)
    if "monitor" in arguments.nodes_named:
        check_monitor(cluster)
    nodes = [find(cluster, name) for name in arguments.nodes_named if name != "monitor"]
    if arguments.postmaster:
        for node in nodes:
            node.kill_postmaster()
            say(f"killed the postmaster of {node.name}")
        return
    if idle := [node.name for node in nodes if not node.all_processes()]:
        raise LocalError(f"{', '.join(idle)} does not run")
    if "monitor" in arguments.nodes_named:
        cluster.monitor.kill()
        say("killed the monitor")
    cluster.kill(nodes)
    for node in nodes:
        back = hint(cluster.folder, "start " + node.name)
        say(f"killed {node.name}: keeper, launcher and PostgreSQL; {back} brings it back")


def stop(arguments):
    cluster = existing(arguments)
    if arguments.node == "monitor":
        check_monitor(cluster)
        cluster.monitor.stop()
        say("stopped the monitor")
        return
    node = find(cluster, arguments.node)
    began = time.monotonic()
    node.stop()
    back = hint(cluster.folder, "start " + node.name)
    say(f"stopped {node.name} in {time.monotonic() - began:.1f} s; {back} brings it back")


def freeze(arguments):
    cluster = existing(arguments)
    node = find(cluster, arguments.node)
    if not node.runs():
        raise LocalError(f"{node.name} does not run")
    node.freeze()
    say(f"{node.name} stands still: keeper, launcher and PostgreSQL; {hint(cluster.folder, 'thaw')} lets it go on")


def stands_still(node):
    return node.launcher.pid is not None and processes.stands_still(node.launcher.pid)


def thaw(arguments):
    cluster = existing(arguments)
    nodes = [cluster.node(arguments.node)] if arguments.node else [node for node in cluster.nodes if stands_still(node)]
    if not nodes:
        say("no node stands still")
    for node in nodes:
        node.thaw()
        say(f"{node.name} goes on")
        wait_settled(cluster, node)
    show_soon(cluster)


def wait_settled(cluster, node):
    """Until it does what the monitor tells it to."""
    check_monitor(cluster)

    def condition(state):
        cluster.check_running([node])
        return cluster.is_settled(state, node)

    wait_with_progress(cluster, SETTLED_WITHIN, f"{node.name} to be at work again", condition)


def show_soon(cluster):
    """The state, once all is well, or after a moment: it may not become so."""
    began = time.monotonic()

    def condition(state):
        return state is not None and (state["healthy"] or time.monotonic() - began > WELL_WITHIN)

    wait_with_progress(cluster, SETTLED_WITHIN, "the monitor to answer", condition)
    show(cluster)


def start(arguments):
    cluster = existing(arguments)
    if arguments.node == "monitor":
        cluster.monitor.start()
        show_soon(cluster)
        return
    check_monitor(cluster)
    nodes = [cluster.node(arguments.node)] if arguments.node else not_running(cluster)
    if not nodes:
        say("all nodes run already")
    began = time.monotonic()
    for node in nodes:
        if node.runs():
            say(f"{node.name} runs already")
        node.start()
    for node in nodes:
        wait_settled(cluster, node)
        say(f"{node.name} is at work again after {time.monotonic() - began:.1f} s")
    show_soon(cluster)
    for other in not_running(cluster):
        say(f"{other.name} is still down: {hint(cluster.folder, 'start ' + other.name)}")


RUN = {"kill": kill, "stop": stop, "freeze": freeze, "thaw": thaw, "start": start}
