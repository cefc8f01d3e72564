"""The commands of deploy/demo: the command line, the cluster's life, and takeovers under load. Harm to single nodes is in
harm.py."""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time

from . import harm
from .cluster import Cluster, check_free
from .errors import LocalError
from .load import Load
from .programs import ROOT
from .screen import (check_monitor, default_folder, default_port, existing, hint, not_running, say, show, wait_healthy)

USAGE = "Runs a pgaf cluster on this machine: a monitor and some nodes on 127.0.0.1."


def shared_options(**defaults):
    """Options that may stand before and after the command; after it without a default, so that the first one holds."""
    options = argparse.ArgumentParser(add_help=False)
    for flag, kind, meaning in (("dir", str, "folder of the demo (PGAF_DEMO_DIR, else /var/tmp/pgaf-demo-USER)"),
                                ("port", int, "first of the ports used by a new one (PGAF_DEMO_PORT, else 6100)"),
                                ("nodes", int, "how many nodes (3)")):
        options.add_argument(f"--{flag}", type=kind, help=meaning, metavar=flag.upper(),
                             default=defaults.get(flag) if defaults else argparse.SUPPRESS)
    return options


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
        ("env", "print what a shell needs to talk to it: eval \"$(deploy/demo env)\""),
        *harm.COMMANDS,
        ("down", "stop everything"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning, parents=[shared_options()])
        command.set_defaults(command=name)
        if name == "status":
            command.add_argument("-o", "--output", choices=("table", "json"), default="table")
        harm.add_arguments(name, command)
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


def up(arguments):
    if Cluster.exists(arguments.dir):
        cluster = existing(arguments)
        wanted = arguments.nodes if arguments.nodes is not None else len(cluster.nodes)
        if wanted < len(cluster.nodes):
            say(f"the demo in {cluster.folder} has {len(cluster.nodes)} nodes already, and keeps them")
    else:
        # Whoever plays with failovers is not to be stopped by the limit that keeps a bad query from killing every node.
        first_port = default_port() if arguments.port is None else arguments.port
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


def env(arguments):
    """For eval in a shell: pgafctl and psql work as they would on an operator's machine."""
    cluster = existing(arguments)
    for name, value in (("PGAF_DEMO_DIR", cluster.folder), ("PGAF_MONITOR", f"127.0.0.1:{cluster.monitor.port}"),
                        ("PGUSER", "postgres"), ("PGPASSFILE", cluster.passfile)):
        say(f"export {name}={shlex.quote(str(value))}")
    say(f"export PATH={shlex.quote(str(cluster.programs))}:$PATH")
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
    commands = {"up": up, "failover": failover, "switchover": switchover, "status": status, "env": env, "down": down}
    try:
        return (commands.get(arguments.command) or harm.RUN[arguments.command])(arguments) or 0
    except LocalError as wrong:
        print(f"deploy/demo: {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
