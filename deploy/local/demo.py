"""The commands of deploy/demo."""

import argparse
import getpass
import json
import os
import shutil
import subprocess
import sys
import time

from . import processes
from .cluster import Cluster, check_free, summary
from .errors import LocalError
from .load import Load
from .programs import ROOT

USAGE = "Runs a pgaf cluster on this machine: a monitor and some nodes on 127.0.0.1."


def say(text=""):
    print(text, flush=True)


def shared_options(**defaults):
    """Options that may stand before and after the command; after it without a default, so that the first one holds."""
    options = argparse.ArgumentParser(add_help=False)
    for flag, kind, meaning in (("dir", str, "folder of the demo (/var/tmp/pgaf-demo-USER)"),
                                ("port", int, "first of the ports used (6100)"),
                                ("nodes", int, "how many nodes (3)")):
        options.add_argument(f"--{flag}", type=kind, help=meaning, metavar=flag.upper(),
                             default=defaults.get(flag) if defaults else argparse.SUPPRESS)
    return options


def default_folder():
    return f"/var/tmp/pgaf-demo-{getpass.getuser()}"


def hint(folder, words):
    """What to type for this demo and no other one."""
    return f"deploy/demo {words}" + ("" if str(folder) == default_folder() else f" --dir {folder}")


def parse(words):
    parser = argparse.ArgumentParser(prog="deploy/demo", description=USAGE,
                                     parents=[shared_options(dir=default_folder())])
    parser.set_defaults(command="up", sample=None)
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, meaning in (
        ("up", "build what is missing, start monitor and nodes, wait until healthy (the default)"),
        ("failover", "kill the primary under a write load; print the outage and what was lost"),
        ("switchover", "move the primary under a write load; print the outage and what was lost"),
        ("status", "nodes, ports, folders, pids"),
        ("start", "start a node that was killed"),
        ("down", "stop everything"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning, parents=[shared_options()])
        command.set_defaults(command=name)
        if name == "status":
            command.add_argument("-o", "--output", choices=("table", "json"), default="table")
        if name == "start":
            command.add_argument("node")
        if name == "up":
            command.add_argument("--sample", type=int, nargs="?", const=1000, metavar="PATIENTS",
                                 help="load the sample application of sql/ too (with 1000 patients)")
        if name == "down":
            command.add_argument("--remove", action="store_true", help="remove the folder too")
    arguments = parser.parse_args(words)
    if arguments.nodes is not None and not 1 <= arguments.nodes <= 9:
        parser.error("--nodes must be between 1 and 9")
    if arguments.sample is not None and not 1 <= arguments.sample <= 1000000:
        parser.error("--sample must be between 1 and 1000000 patients")
    if arguments.port is not None and not 1024 <= arguments.port <= 65000:
        parser.error("--port must be between 1024 and 65000")
    return arguments


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


def up(arguments):
    if Cluster.exists(arguments.dir):
        cluster = existing(arguments)
        wanted = arguments.nodes if arguments.nodes is not None else len(cluster.nodes)
        if wanted < len(cluster.nodes):
            say(f"the demo in {cluster.folder} has {len(cluster.nodes)} nodes already, and keeps them")
    else:
        # Whoever plays with failovers is not to be stopped by the limit that keeps a bad query from killing every node.
        first_port = 6100 if arguments.port is None else arguments.port
        wanted = 3 if arguments.nodes is None else arguments.nodes
        # Before anything is made: a demo keeps the ports that it was made with.
        check_free(first_port, wanted, range(first_port, first_port + 2 + 2 * wanted))
        cluster = Cluster(arguments.dir, first_port, settings={"failover_limit": 1000},
                          parameters={"shared_preload_libraries": "pg_stat_statements,pgaudit"} if arguments.sample else None)
    cluster.make(wanted)
    cluster.check_ports()
    say(f"starting a monitor and {len(cluster.nodes)} node(s) in {cluster.folder} as user {cluster.account.name}")
    cluster.start()
    wait_healthy(cluster, 180)
    if arguments.sample is not None:
        load_sample(cluster, arguments.sample)
    show(cluster)
    say(f"Connect:     psql '{cluster.uri()}'")
    say(f"Ask:         {ctl_line(cluster)} show state")
    alone = len(cluster.nodes) == 1
    hints = [("up --nodes 3", "add two standbys")] if alone else [
        ("failover", "kill the primary under load, see what is lost"),
        ("switchover", "move the primary under load, see how short the pause is")]
    hints += [("status", "ports, folders and pids"), ("down", "stop everything")]
    lines = [(hint(cluster.folder, command), meaning) for command, meaning in hints]
    width = max(len(line) for line, _ in lines)
    for number, (line, meaning) in enumerate(lines):
        say(f"{'Try next:' if number == 0 else '':12} {line:{width}}   {meaning}")


def load_sample(cluster, patients):
    """The sample application, by the same program that a real cluster is filled with."""
    passwords = {f"PGAF_SQL_{role}_PASSWORD_FILE": str(cluster.secret(f"sample-{role.lower()}"))
                 for role in ("APP", "REPORT", "MONITORING")}
    done = subprocess.run([ROOT / "sql" / "apply", "--uri", cluster.uri(password=False), "--patients", str(patients)],
                          stdin=subprocess.DEVNULL, env={**os.environ, **passwords, "PGPASSFILE": str(cluster.passfile)})
    if done.returncode != 0:
        raise LocalError("the sample application could not be loaded, see above; try again with: "
                         f"{hint(cluster.folder, 'up --sample')}")
    say(f"Sample:      database clinic; passwords of its roles: {cluster.secrets}/sample-*")


def ctl_line(cluster):
    return f"{cluster.programs / 'pgafctl'} --monitor 127.0.0.1:{cluster.monitor.port}"


def under_load(cluster, event):
    """Runs `event` under a write load; prints what the clients saw. True when nothing was lost."""
    log = cluster.folder / "load.log"
    log.unlink(missing_ok=True)
    load = Load(cluster, log, writers=4, rate=100)
    primary = cluster.primary()
    say(f"the primary is {primary.name}; four clients write through the multi-host URI")
    load.start()
    try:
        time.sleep(2)
        began = time.monotonic()
        survivors = event(primary)
        load.wait_acknowledged(60)
        wait_healthy_enough(cluster, survivors)
        time.sleep(1)
        summary_of_load = load.stop()
    finally:
        load.abandon()
    report = load.check(survivors, since=began)
    say()
    say(f"  write outage        {report['outage']['ms']:8.0f} ms   (longest time without an acknowledged write)")
    say(f"  rows acknowledged   {report['acknowledged']:8d}")
    say(f"  outcome unknown     {summary_of_load['unknown']:8d}      (the connection was lost before the answer)")
    say(f"  rows lost           {report['lost']:8d}      (acknowledged and missing on any of "
        f"{', '.join(node.name for node in survivors)})")
    if report["violations"]:
        say(f"  two servers at once {report['violations']:8d}      {report['first_violations'][0]}")
    show(cluster)
    return report["ok"]


def wait_healthy_enough(cluster, nodes):
    """The nodes that are left have a writable primary, and are all there."""
    def look():
        state = cluster.state() or {}
        words = {each["name"]: each["state"] for each in state.get("nodes", [])}
        left = [words.get(node.name) for node in nodes]
        return state.get("has_writable_primary") and all(
            word in ("primary", "secondary", "single", "wait_primary") for word in left)

    cluster.wait_for(look, 60, "the nodes that are left to be at work")


def whole(arguments, action):
    """The demo, with all of its nodes at work: what a takeover under load begins with."""
    cluster = existing(arguments)
    if len(cluster.nodes) < 2:
        raise LocalError(f"a cluster of one node has nobody to {action} to; make one of more: "
                         f"{hint(cluster.folder, 'up --nodes 3')}")
    check_monitor(cluster)
    if down_nodes := not_running(cluster):
        raise LocalError(f"{', '.join(node.name for node in down_nodes)} does not run; bring it back first: "
                         f"{hint(cluster.folder, 'start ' + down_nodes[0].name)}")
    cluster.wait_for(cluster.is_healthy, 15, "a healthy cluster to begin with")
    return cluster


def failover(arguments):
    cluster = whole(arguments, "fail over")

    def event(primary):
        say(f"killing {primary.name}: keeper, launcher and PostgreSQL, all by SIGKILL")
        primary.kill()
        return [node for node in cluster.nodes if node is not primary]

    good = under_load(cluster, event)
    for node in not_running(cluster):
        say(f"Try next:    {hint(cluster.folder, 'start ' + node.name)}   and see it come back as a standby")
    return 0 if good else 1


def switchover(arguments):
    cluster = whole(arguments, "switch over")

    def event(_primary):
        say("pgafctl perform switchover")
        say(cluster.ctl.do("perform", "switchover").rstrip())
        return cluster.nodes

    return 0 if under_load(cluster, event) else 1


def status(arguments):
    cluster = existing(arguments)
    state = cluster.state() or {}
    words = {each["name"]: each["state"] for each in state.get("nodes", [])}
    nodes = [{**node.describe(), "state": words.get(node.name)} for node in cluster.nodes]
    if arguments.output == "json":
        say(json.dumps({"dir": str(cluster.folder), "cluster": cluster.name, "uri": cluster.uri(),
                        "healthy": bool(cluster.is_healthy()), "monitor": cluster.monitor.describe(),
                        "nodes": nodes}, indent=2))
        return 0
    say(f"{'NAME':8} {'PORT':>6} {'STATE':14} {'KEEPER':>8} {'LAUNCHER':>8} {'POSTMASTER':>10}  DATA")
    say(f"{'monitor':8} {cluster.monitor.port:6} {'up' if cluster.monitor.pid else 'down':14} "
        f"{'pid ' + str(cluster.monitor.pid or '-'):>28}  {cluster.monitor.folder}")
    for node in nodes:
        say(f"{node['name']:8} {node['port']:6} {node['state'] or '-':14} {node['keeper'] or '-':>8} "
            f"{node['launcher'] or '-':>8} {node['postmaster'] or '-':>10}  {node['data']}")
    return 0


def start(arguments):
    cluster = existing(arguments)
    node = cluster.node(arguments.node)
    check_monitor(cluster)
    if node.runs():
        say(f"{node.name} runs already")
    began = time.monotonic()
    node.start()

    def condition(state):
        cluster.check_running([node])
        return cluster.is_settled(state, node)

    wait_with_progress(cluster, 120, f"{node.name} to be at work again", condition)
    say(f"{node.name} is at work again after {time.monotonic() - began:.1f} s")
    show(cluster)
    for other in not_running(cluster):
        say(f"{other.name} is still down: {hint(cluster.folder, 'start ' + other.name)}")
    return 0


def down(arguments):
    if not Cluster.exists(arguments.dir):
        say(f"there is no demo in {arguments.dir}")
        return 0
    cluster = existing(arguments)
    say(f"stopping the demo in {cluster.folder}")
    cluster.stop()
    if arguments.remove:
        shutil.rmtree(cluster.folder)
        say("removed")
    else:
        say(f"stopped; {hint(cluster.folder, 'up')} starts it again, {hint(cluster.folder, 'down --remove')} removes it")
    return 0


def main(words):
    arguments = parse(words)
    command = {"up": up, "failover": failover, "switchover": switchover, "status": status, "start": start,
               "down": down}[arguments.command]
    try:
        return command(arguments) or 0
    except LocalError as wrong:
        print(f"deploy/demo: {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
