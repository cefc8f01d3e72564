"""What the commands of deploy/demo share: which demo is meant, what is said while one waits, hints at what to type next."""

import getpass
import os
import shlex
import time

from . import processes
from .cluster import Cluster, summary
from .errors import LocalError


def say(text=""):
    print(text, flush=True)


def default_folder():
    return os.environ.get("PGAF_DEMO_DIR") or f"/var/tmp/pgaf-demo-{getpass.getuser()}"


def default_port():
    text = os.environ.get("PGAF_DEMO_PORT") or "6100"
    if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= 65000:
        raise LocalError(f"PGAF_DEMO_PORT is '{text}'; it must be a number between 1024 and 65000")
    return int(text)


def hint(folder, words):
    """What to type for this demo and no other one."""
    return f"deploy/demo {words}" + ("" if str(folder) == default_folder() else f" --dir {shlex.quote(str(folder))}")


def progress_line(state):
    """What is going on, short: where each node is, and where it goes to by which step."""
    if not state:
        return "the monitor does not answer yet"
    words = []
    for node in state.get("nodes", []):
        there = node["state"] == node["assigned"]
        step = node.get("doing", "").partition(":")[0]
        words.append(f"{node['name']} {node['state']}" + ("" if there else f" -> {node['assigned']}")
                     + (f" ({step})" if step else ""))
    return ", ".join(words) or "no node has registered yet"


class Progress:
    """Says each change of the cluster once, with the seconds since the beginning."""

    def __init__(self):
        self.began = time.monotonic()
        self.last = None

    def __call__(self, text):
        if text != self.last:
            say(f"  {time.monotonic() - self.began:5.1f} s  {text}")
            self.last = text


def existing(arguments):
    if not Cluster.exists(arguments.dir):
        raise LocalError(f"there is no demo in {arguments.dir}; start one with: {hint(arguments.dir, 'up')}")
    cluster = Cluster(arguments.dir)
    if arguments.port is not None and arguments.port != cluster.first_port:
        raise LocalError(f"the demo in {arguments.dir} uses the ports from {cluster.first_port} on; "
                         "for another one beside it give another --dir")
    return cluster


def wait_with_progress(cluster, limit, what, condition):
    """Until the condition holds of the cluster's state; says each change meanwhile."""
    progress = Progress()

    def look():
        state = cluster.state()
        progress(progress_line(state))
        return condition(state)

    try:
        return processes.wait_until(look, limit, lambda: f"{what}; it is: {summary(cluster.state())}", 0.25)
    except LocalError as wrong:
        logs = ", ".join(str(node.keeper.log_file) for node in cluster.nodes)
        raise LocalError(f"{wrong}\nlook into {cluster.monitor.process.log_file}, {logs}") from None


def wait_healthy(cluster, limit):
    def condition(_state):
        cluster.check_running()
        return cluster.is_healthy()

    return wait_with_progress(cluster, limit, "a healthy cluster", condition)


def not_running(cluster):
    return [node for node in cluster.nodes if not node.runs()]


def check_monitor(cluster):
    if cluster.monitor.pid is None:
        raise LocalError(f"the demo in {cluster.folder} is down; start it with: {hint(cluster.folder, 'up')}")


def show(cluster):
    say()
    say(cluster.ctl.do("show", "state").rstrip())
    say()
