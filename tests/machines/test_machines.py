#!/usr/bin/python3
"""The handbook's commands for real machines, as they are written, on four machines that boot systemd: a monitor and three
nodes. Needs root, Debian 12 and what `deploy/install-deps --compose` installs; it says so when it can't run.

    test_machines.py         PGAF_BIN_DIR names the folder with the programs

All of it lives in a process namespace and on a file system in memory, which end with the first process of that namespace;
the guard of tests/compose/engine.py ends that one when the test is killed.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "handbook")]

from compare import difference  # noqa: E402
from machine import ADDRESS, CHECKOUT, ROOT, Base, Machine, Net, control_groups, engines, run  # noqa: E402
from pages import blocks_of  # noqa: E402

SKIPPED = 77
MONITOR = "monitor"
NODES = ("node1", "node2", "node3")
SHOW_STATE = ("pgafctl", "--monitor", "monitor.example:5431", "show", "state", "-o", "json")
UNITS = ("pgaf-keeper", "pgaf-launcher")
LIMIT = 120
CAP_SYS_RESOURCE = 24

_begun = time.monotonic()


def say(text):
    print(f"{time.monotonic() - _begun:6.1f} s  {text}", flush=True)


def expect(condition, text, *found):
    if not condition:
        raise engines.EngineError(f"{text}: {', '.join(map(str, found))}" if found else text)


def may_run():
    """Why it can't run here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root: it makes machines of namespaces"
    missing = [name for name in ("debootstrap", "unshare", "nsenter", "ip", "strip") if not shutil.which(name, path=engines.PATH)]
    if missing:
        return f"needs {', '.join(missing)}: deploy/install-deps --compose"
    if control_groups() is None:
        return "needs control groups of version 2 to be mounted: systemd as a first process has to have them"
    return ""


def page(name, *modes):
    """The blocks of a page that are for these modes, in order."""
    blocks = blocks_of((ROOT / "docs" / name).read_text(encoding="utf-8"), name)
    found = [block for block in blocks if block.mode in modes and block.reason is None]
    expect(found, f"docs/{name} has no block of mode {' or '.join(modes)}")
    return found


class Cluster:
    def __init__(self, machines):
        self.machines = machines
        self.nodes = [machines[name] for name in NODES]

    def follow(self, block, name, machine):
        """A block of a page, on one machine."""
        deadline = time.monotonic() + block.patience
        while True:
            code, printed = machine.bash(block.text, check=False)
            wrong = difference(block, printed) if code == block.exit_code else f"exit code {code}, should be {block.exit_code}"
            if not wrong:
                return
            if time.monotonic() >= deadline:
                raise engines.EngineError(f"docs/{name}:{block.line} on {machine.name}: {wrong}\n{block.text}---- printed\n{printed}")
            time.sleep(0.2)

    def state(self):
        code, printed = self.machines[MONITOR].run(*SHOW_STATE, check=False)
        return json.loads(printed) if code == 0 else None

    def wait(self, look, what):
        """The first state of the cluster that look() likes."""
        last = []

        def good():
            last[:] = [self.state()]
            return last[0] if last[0] and look(last[0]) else None
        try:
            return engines.wait_until(good, LIMIT, what, pause=0.2)
        except engines.EngineError as error:
            raise engines.EngineError(f"{error}; the state: {last[0]}") from None

    def wait_healthy(self, more=lambda state: True, what="the cluster to be healthy"):
        return self.wait(lambda state: state["failover_ready"] and state["has_writable_primary"] and len(state["nodes"]) == len(NODES)
                         and all(node["state"] in ("primary", "secondary") for node in state["nodes"]) and more(state), what)

    def events(self):
        printed = self.machines[MONITOR].run("pgafctl", "--monitor", "monitor.example:5431", "show", "events", "--limit", "200", "-o", "json")[1]
        return json.loads(printed)["events"]

    def sql(self, machine, text):
        """On that machine, by the socket that /etc/pgaf/keeper.toml names."""
        return machine.run("env", "-C", "/", "runuser", "-u", "postgres", "--", "psql", "-XAt", "-h", "/run/pgaf", "-c", text)[1].strip()


# ---- the steps, in this order ------------------------------------------------------------------------------------------


def install(cluster):
    """Page 01, "Real machines"."""
    name = "01-setup-instructions.md"
    of_mode = {"machines": list(cluster.machines.values()), "machines-monitor": [cluster.machines[MONITOR]], "machines-node": cluster.nodes}
    blocks = page(name, *of_mode)
    at_nodes = [block for block in blocks if block.mode == "machines-node"]
    for block in blocks:
        if block is at_nodes[0]:
            # The page edits a file between the two blocks; node by node, so that the first one makes the database.
            for machine in cluster.nodes:
                for one in at_nodes:
                    cluster.follow(one, name, machine)
                    edit(machine)
                say(f"{machine.name} is set up as page 01 says")
                if machine is cluster.nodes[0]:
                    cluster.wait(lambda state: state["has_writable_primary"], "the first node to take writes")
        elif block not in at_nodes:
            for machine in of_mode[block.mode]:
                cluster.follow(block, name, machine)
            say(f"page 01, line {block.line}: done on {', '.join(machine.name for machine in of_mode[block.mode])}")
    expect(cluster.wait_healthy()["primary"] == NODES[0], "the first node is not the primary")


def edit(machine):
    """What the page says: node and host; monitor and hba fit as they are."""
    machine.run("sed", "-i", f"s/^node = .*/node = \"{machine.name}\"/; s/^host = .*/host = \"{machine.name}.example\"/",
                "/etc/pgaf/keeper.toml")


def units_work(cluster):
    for name, machine in cluster.machines.items():
        for unit in ("pgaf-monitor",) if name == MONITOR else UNITS:
            found = (machine.show(unit, "ActiveState"), machine.show(unit, "UnitFileState"), machine.show(unit, "NRestarts"))
            expect(found == ("active", "enabled", "0"), f"{unit} on {name}: should be active, enabled, never restarted", found)
            log = machine.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)[1]
            complaints = [line for line in log.splitlines() if "Unknown key name" in line or "not supported" in line]
            expect(not complaints, f"systemd does not like {unit}", complaints)
        failed = machine.run("systemctl", "list-units", "--failed", "--no-legend", "--plain")[1].strip()
        expect("pgaf" not in failed, f"units have failed on {name}", failed)
        units = ["pgaf-monitor.service"] if name == MONITOR else [f"{unit}.service" for unit in UNITS]
        expect("pgaf" not in (printed := machine.run("systemd-analyze", "verify", *units, check=False)[1]), "systemd-analyze verify", printed)
    for machine in cluster.nodes:
        for file in ("superuser.password", "replication.password"):
            found = machine.run("stat", "-c", "%U %G %a", f"/etc/pgaf/{file}")[1].strip()
            expect(found == "postgres postgres 600", f"rights of {file} on {machine.name}", found)
    machine = cluster.nodes[0]
    postmaster = machine.run("head", "-1", "/var/lib/postgresql/15/pgaf/postmaster.pid")[1].strip()
    scores = [machine.run("cat", f"/proc/{pid}/oom_score_adj")[1].strip() for pid in
              (postmaster, machine.run("pgrep", "-P", postmaster, "-o")[1].strip(), machine.show("pgaf-keeper", "MainPID"))]
    # Without this capability not even root lowers it, and systemd goes on without.
    capabilities = int(re.search(r"CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text(encoding="ascii"))[1], 16)
    if capabilities >> CAP_SYS_RESOURCE & 1:
        expect(scores == ["-900", "0", "-800"], "oom_score_adj of postmaster, its child, keeper", scores)
    say("all units are active, none was restarted; rights and limits are as the units say")


def keeper_restart(cluster):
    for machine in cluster.nodes:
        started, before = cluster.sql(machine, "SELECT pg_postmaster_start_time()"), machine.show("pgaf-keeper", "MainPID")
        machine.run("systemctl", "restart", "pgaf-keeper")
        cluster.wait_healthy()
        expect(machine.show("pgaf-keeper", "MainPID") != before, "the keeper was not restarted")
        expect(cluster.sql(machine, "SELECT pg_postmaster_start_time()") == started, "PostgreSQL was restarted with the keeper", machine.name)
    say("systemctl restart pgaf-keeper has left PostgreSQL alone, on each node")


def hands_over(cluster, words, come_back):
    """A machine that is stopped in order: another primary, and no failover."""
    before = cluster.wait_healthy()
    old = cluster.machines[before["primary"]]
    cluster.sql(old, f"CREATE TABLE IF NOT EXISTS kept (what text); INSERT INTO kept VALUES ('{words}')")
    last = cluster.events()
    seen = max(event["seq"] for event in last)
    if words == "poweroff":
        old.power_off()
    else:
        old.run("systemctl", *words.split())
    after = cluster.wait(lambda state: state["primary"] != old.name and state["has_writable_primary"], "another primary")
    new = [event for event in cluster.events() if event["seq"] > seen]
    kinds = [event["kind"] for event in new]
    expect("switchover_started" in kinds, f"systemctl {words}: nothing was handed over", new)
    expect("failover_started" not in kinds, f"systemctl {words} was a failover", new)
    found = cluster.sql(cluster.machines[after["primary"]], f"SELECT count(*) FROM kept WHERE what = '{words}'")
    expect(found == "1", f"systemctl {words}: the row is not there once on {after['primary']}", found)
    say(f"systemctl {words} on {old.name} has handed over to {after['primary']}")
    come_back(old)
    cluster.wait_healthy(what=f"{old.name} to be back after systemctl {words}")
    say(f"{old.name} is back as a standby")


def boot(machine):
    machine.power_on()
    machine.wait_up()


def rebuild(cluster):
    """Page 04."""
    name = "04-recovery-procedures.md"
    state = cluster.wait_healthy()
    machine = cluster.machines[next(node["name"] for node in state["nodes"] if not node["primary"])]
    machine.run("touch", "/var/lib/postgresql/15/pgaf/before")
    for block in page(name, "machines-standby"):
        cluster.follow(block, name, machine)
    cluster.wait_healthy(what=f"{machine.name} to be rebuilt")
    expect(machine.run("test", "-e", "/var/lib/postgresql/15/pgaf/before", check=False)[0] == 1, "the old folder is still there")
    say(f"{machine.name} is rebuilt as page 04 says")


def scenario(folder):
    base = Base(folder)
    base.make(os.environ.get("PGAF_BIN_DIR", ROOT / "build/release/bin"))
    for block in page("01-setup-instructions.md", "machines-build"):
        base.bash(block.text)
    names = (MONITOR, *NODES)
    hosts = [f"{ADDRESS.format(number)} {name}.example {name}" for number, name in enumerate(names, 1)]
    (base.root / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]), encoding="ascii")
    say("the base of all machines is made, with what deploy/install-deps --runtime installs")
    net = Net()
    groups = control_groups() / folder.name
    machines = {name: Machine(name, base, net, number, groups) for number, name in enumerate(names, 1)}
    cluster = Cluster(machines)
    try:
        for machine in machines.values():
            machine.power_on()
        for machine in machines.values():
            machine.wait_up()
        say("four machines have booted")
        install(cluster)
        units_work(cluster)
        keeper_restart(cluster)
        hands_over(cluster, "stop pgaf-launcher", lambda machine: machine.run("systemctl", "start", "pgaf-launcher"))
        hands_over(cluster, "poweroff", boot)
        rebuild(cluster)
        units_work_at_last(cluster)
    except (engines.EngineError, subprocess.TimeoutExpired):
        show_logs(cluster)
        raise


def units_work_at_last(cluster):
    for name, machine in cluster.machines.items():
        for unit in ("pgaf-monitor",) if name == MONITOR else UNITS:
            expect(machine.show(unit, "ActiveState") == "active", f"{unit} on {name} is not active")
            expect(machine.show(unit, "NRestarts") == "0", f"{unit} on {name} has failed and was restarted by systemd")


def show_logs(cluster):
    for name, machine in cluster.machines.items():
        try:
            print(f"---- {name}\n{machine.run('journalctl', '--no-pager', '-o', 'cat', '-n', '40', '-u', 'pgaf-*', check=False)[1]}", file=sys.stderr)
        except (engines.EngineError, OSError, subprocess.TimeoutExpired) as error:
            print(f"---- {name}: {error}", file=sys.stderr)


def inside(folder):
    """The first process of the namespace: with it ends all that it has started."""
    # Below all machines in memory, also because nothing of it has to last.
    run("mount", "-t", "tmpfs", "-o", "mode=755,size=6g", "machines", folder)
    try:
        scenario(folder)
    except (engines.EngineError, subprocess.TimeoutExpired) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    say("OK")
    return 0


def main():
    why_not = may_run()
    if why_not:
        print(f"skipped: {why_not}")
        return SKIPPED
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pgaf-machines-", dir="/var/tmp"))
    guard = subprocess.Popen([sys.executable, "-B", engines.__file__, str(folder)], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        child = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                                  sys.executable, "-B", __file__, "--inside", str(folder)], stdin=subprocess.DEVNULL)
        (folder / "engine.pid").write_text(str(child.pid), encoding="ascii")
        code = child.wait()
    finally:
        left = engines.clear(folder)
        left += [f"control group {group}" for group in control_groups().glob(folder.name)]
        guard.communicate(timeout=60)
    if left:
        print(f"FAILED: left behind: {left}", file=sys.stderr)
    return 1 if left else code


if __name__ == "__main__":
    sys.exit(inside(pathlib.Path(sys.argv[2])) if sys.argv[1:2] == ["--inside"] else main())
