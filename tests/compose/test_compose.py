#!/usr/bin/python3
"""The stack of docker-compose.yml on a real Docker Engine of the test's own: brought up by the handbook's commands, upgraded,
broken, and brought down. Needs root, Debian 12 and what `deploy/install-deps --compose` installs; it says so when it can't run.

    test_compose.py             PGAF_BIN_DIR names the folder with the programs
    test_compose.py --compile   the images' programs are compiled by the Dockerfile, as for a user; this takes many minutes
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engine as engines  # noqa: E402
import images  # noqa: E402
import production  # noqa: E402
from engine import expect  # noqa: E402
from stack import NODES, PRODUCTION, ROOT, Stack  # noqa: E402
from writes import Writes  # noqa: E402

SKIPPED = 77
KEEPERS = [f"keeper-{name}" for name in NODES]
POSTGRES = [f"postgres-{name}" for name in NODES]
HEALTHY = ["pgaf-monitor", *POSTGRES, *KEEPERS]
TABLES = ("patients", "providers", "appointments", "encounters", "observations", "medications")
STARTED = "SELECT pg_postmaster_start_time()"
IDENTITY = "SELECT system_identifier FROM pg_control_system()"

_begun = time.monotonic()


def say(text):
    print(f"{time.monotonic() - _begun:6.1f} s  {text}", flush=True)


def may_run():
    """Why it can't run here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root: it starts a Docker Engine of its own"
    missing = [name for name in ("dockerd", "docker", "docker-compose", "debootstrap", "iptables", "tini", "jq", "psql")
               if not shutil.which(name, path=engines.PATH)]
    if missing:
        return f"needs {', '.join(missing)}: deploy/install-deps --compose"
    if not engines.subnet_is_free("172.28.0.0/16"):
        return "172.28.0.0/16 is in use on this machine"
    return ""


# ---- the steps, in this order ------------------------------------------------------------------------------------------


def bring_up(stack):
    """By the first block of the handbook: cp .env.test .env, and one command."""
    stack.make()
    stack.use(images.make_monitoring(stack.engine, pathlib.Path(__file__).resolve().parent))
    say("images of Debian's Prometheus, Alertmanager, exporters and HAProxy are made")
    began = time.monotonic()
    stack.handbook("compose-up", 1, limit=3000 if stack.compiled else 900)
    say(f"docker-compose up -d --build has taken {time.monotonic() - began:.1f} s")
    stack.wait_healthy(HEALTHY)
    say("all containers are healthy")
    state = stack.wait_cluster()
    say("the cluster is healthy")
    nodes = {node["name"]: node for node in state["nodes"]}
    expect(state["primary"] == "primary", "the cluster was to be made on postgres-primary", state["primary"])
    for name, priority in (("primary", 100), ("replica1", 90), ("replica2", 80)):
        node = nodes[name]
        expect((node["port"], node["candidate_priority"]) == (NODES[name], priority), "port and priority", node)
    for service, size in (("pgaf-monitor", 250), ("keeper-primary", 250), ("postgres-primary", 700)):
        bytes_ = int(stack.engine.docker("inspect", "--format", "{{.Size}}", stack.inspect(service)["Image"]))
        say(f"image of {service}: {bytes_ / 1e6:.0f} MB")
        expect(bytes_ < size * 1e6, f"the image of {service} is larger than {size} MB", bytes_)


def containers_are_confined(stack):
    for service, one in stack.containers().items():
        host = one["HostConfig"]
        expect(host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], f"{service} is not confined", host["CapDrop"])
        expect(host["Memory"] and host["NanoCpus"], f"{service} has no limits")
        user = one["Config"]["User"]
        expect(user not in ("", "root", "0"), f"{service} runs as root", user)
        secrets = [value for name in ("PGAF_POSTGRES_PASSWORD", "PGAF_REPLICATION_PASSWORD")
                   if (value := stack.setting(name)) in " ".join([one["Path"], *one["Args"]])]
        expect(not secrets, f"a password is in the command line of {service}")
    for service in HEALTHY:
        log = stack.engine.logs(stack.container(service))
        for name in ("PGAF_POSTGRES_PASSWORD", "PGAF_REPLICATION_PASSWORD"):
            expect(stack.setting(name) not in log, f"the log of {service} has {name}")
    expect("initdb" not in stack.engine.docker("exec", stack.container("keeper-primary"), "sh", "-c",
                                               "command -v postgres initdb psql || true"), "the keeper has PostgreSQL inside")


def sample_application(stack):
    """Loaded once, everywhere, and again without harm."""
    def ended():
        return stack.inspect("schema")["State"] if stack.health()["schema"] == "exited" else None
    state = engines.wait_until(ended, 180, "the service schema to end", pause=0.3)
    expect(state["ExitCode"] == 0, "the service schema failed", stack.engine.logs(stack.container("schema")))
    counts = {table: int(stack.sql(stack.uri(database="clinic", more="&target_session_attrs=read-write"),
                                   f"SELECT count(*) FROM clinic.{table}")) for table in TABLES}
    say(f"sample data: {counts}")
    expect(all(counts.values()), "a table is empty", counts)
    for name in NODES:
        expect(stack.sql(stack.uri([name], "clinic"), "SHOW shared_preload_libraries") == "pg_stat_statements,pgaudit",
               f"{name} has other libraries")
    stack.compose("up", "-d", "--no-deps", "schema")
    state = engines.wait_until(ended, 120, "the service schema to end again", pause=0.3)
    expect(state["ExitCode"] == 0, "the service schema failed the second time")
    again = int(stack.sql(stack.uri(database="clinic", more="&target_session_attrs=read-write"), "SELECT count(*) FROM clinic.patients"))
    expect(again == counts["patients"], "the second run has changed the data", again)


def metrics(stack):
    stack.wait_healthy(["prometheus", "alertmanager", "postgres-exporter", "node-exporter"])
    def all_up():
        targets = stack.targets()
        return targets if all(target["health"] == "up" for target in targets) else None
    targets = engines.wait_until(all_up, 90, "all of Prometheus' targets to be up", pause=0.5)
    jobs = sorted({target["labels"]["job"] for target in targets})
    say(f"Prometheus' targets are up: {len(targets)} of {', '.join(jobs)}")
    expect(len(targets) >= 8, "targets are missing", jobs)


def proxy(stack):
    stack.compose("--profile", "proxy", "up", "-d", "--no-deps", "haproxy")
    stack.wait_healthy(["haproxy"])
    for port, standby in ((5000, "f"), (5001, "t")):
        uri = f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=3"

        def right():
            try:
                return stack.sql(uri, "SELECT pg_is_in_recovery()")
            except engines.EngineError:
                return None
        expect(engines.wait_until(right, 30, f"HAProxy's port {port}", pause=0.2) == standby, f"port {port} leads to the wrong node")
    stack.compose("--profile", "proxy", "rm", "--stop", "--force", "haproxy")
    say("HAProxy: 5000 leads to the primary, 5001 to a standby")


def handbook(stack):
    """Its blocks for a stack that is up."""
    stack.handbook("compose", 15)
    log = "Completed loading of configuration file"
    engines.wait_until(lambda: stack.engine.logs(stack.container("alertmanager")).count(log) >= 2, 10,
                       "Alertmanager to read its file anew")
    say("the handbook's blocks for the stack do what is written")


def new_version(stack):
    """Of all images; what runs stays as it is until it is replaced."""
    for name in ("deploy/docker/bin/show-state.sh", "deploy/docker/bin/wait-for-launcher", "sql/apply"):
        with open(stack.folder / name, "a", encoding="utf-8") as file:
            file.write("# The next version.\n")
    began = time.monotonic()
    stack.compose("build", limit=600)
    say(f"a new version of all images is built, {time.monotonic() - began:.1f} s")


def replace(stack, service, files=("--env-file", ".env")):
    """As deploy/docker/README.md says: an upgrade, if its image was built anew."""
    old = stack.inspect(service)
    stack.compose("up", "-d", "--no-deps", "--force-recreate", service, files=files)
    new = stack.inspect(service)
    expect(new["Id"] != old["Id"], f"{service} was not replaced")
    expect(new["Image"] == stack.image(service) != old["Image"], f"{service} does not run the new image", new["Image"])


def sidecars_leave_postgres_alone(stack):
    """Replaced by those of the next version, in production: PostgreSQL runs on, and lets in whom the new ones say."""
    production.lets_in(stack, restricted=False)
    before = {name: stack.sql(stack.uri([name]), STARTED) for name in NODES}
    epoch = stack.state()["epoch"]
    for name in ("replica1", "replica2", "primary"):
        began = time.monotonic()
        replace(stack, f"keeper-{name}", files=PRODUCTION)
        stack.wait_healthy([f"keeper-{name}"])
        say(f"keeper-{name} replaced and healthy after {time.monotonic() - began:.1f} s")
    stack.wait_cluster()
    engines.wait_until(lambda: stack.sql(stack.uri(["primary"]), "SHOW log_connections") == "on", 30, "the new settings", pause=0.2)
    production.lets_in(stack, restricted=True)
    say("in production strangers are refused, and from the clients' network all but the application")
    after = {name: stack.sql(stack.uri([name]), STARTED) for name in NODES}
    expect(before == after, "PostgreSQL was restarted with its sidecar", before, after)
    expect(stack.state()["epoch"] == epoch, "a sidecar's replacement was a failover")


def monitor_forgets_nothing(stack):
    before = stack.state()
    for how in (lambda: stack.compose("restart", "pgaf-monitor"), lambda: replace(stack, "pgaf-monitor")):
        how()
        stack.wait_healthy(["pgaf-monitor"])
        after = stack.wait_cluster()
        for what in ("epoch", "system_id", "primary"):
            expect(after[what] == before[what], f"{stack.commands[-1]} has changed {what}", before[what], after[what])
        expect([n["incarnation"] for n in after["nodes"]] == [n["incarnation"] for n in before["nodes"]], "other nodes", after)
        expect(after["last_event"] >= before["last_event"], "events are gone")
    say("the monitor was restarted and replaced, and knows all")


def failover(stack, writes):
    lost = stack.state()["primary"]
    began = time.monotonic()
    stack.engine.docker("kill", *(stack.container(f"{part}-{lost}") for part in ("postgres", "keeper")))
    state = stack.wait_cluster(lambda s: s["primary"] != lost and s["has_writable_primary"], what="another primary")
    seen = time.monotonic() - began
    writes.wait_acknowledged()
    say(f"{lost} killed: {state['primary']} is primary after {seen:.1f} s, writes go on after {time.monotonic() - began:.1f} s at most")
    expect(state["primary"] == "replica1", "replica1 has the higher priority", state["primary"])
    stack.compose("start", f"postgres-{lost}", f"keeper-{lost}")
    stack.wait_healthy([f"postgres-{lost}", f"keeper-{lost}"])
    state = stack.wait_cluster()
    expect(state["primary"] == "replica1", "the lost node has taken over again by itself", state["primary"])
    say(f"{lost} is a standby again")


def database_containers_can_be_replaced(stack, writes):
    """A standby: nothing happens. The primary: it hands over first, and that takes no failover's time."""
    primary = stack.state()["primary"]
    standby = next(name for name in NODES if name != primary)
    for name in (standby, primary):
        before = stack.sql(stack.uri([name]), IDENTITY)
        began = time.monotonic()
        replace(stack, f"postgres-{name}")
        writes.wait_acknowledged()
        say(f"postgres-{name} replaced, writes go on after {time.monotonic() - began:.1f} s")
        stack.wait_healthy([f"postgres-{name}"])
        stack.wait_cluster()
        expect(stack.sql(stack.uri([name]), IDENTITY) == before, "another cluster's data")
    expect(stack.state()["primary"] != primary, "the primary did not hand over", primary)


def readme_is_followed(stack):
    """Every command in its table of what can be done to containers was carried out above."""
    text = (ROOT / "deploy/docker/README.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.partition("## Restart, upgrade, replace")[2].partition("\n## ")[0].splitlines()
            if line.startswith("|")]
    commands = {command for row in rows[2:] for command in re.findall("`([^`]+)`", row[2])}
    expect(len(commands) > 3 and commands <= set(stack.commands), "not tried", *(commands - set(stack.commands)))


def bring_down(stack):
    """By the handbook's command, which leaves the data; then that is removed too."""
    stack.handbook("compose-down", 1)
    left = stack.engine.docker("ps", "-aq")
    expect(not left, "containers after down", left)
    volumes = stack.engine.docker("volume", "ls", "-q").split()
    expect({f"pgaf_{name}-data" for name in ("monitor", *NODES)} <= set(volumes), "down has removed data", volumes)
    stack.compose("--profile", "proxy", "down", "-v", "--remove-orphans", limit=180)
    for what in (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q", "--filter", "type=custom"]):
        left = stack.engine.docker(*what)
        expect(not left, f"docker {' '.join(what)} after down -v", left)
    say("docker-compose down -v has left nothing")


def run(stack):
    writes = Writes(stack)
    try:
        bring_up(stack)
        containers_are_confined(stack)
        sample_application(stack)
        metrics(stack)
        handbook(stack)
        proxy(stack)
        production.asks_for_what_it_needs(stack)
        new_version(stack)
        writes.start()
        say("writes begin")
        sidecars_leave_postgres_alone(stack)
        monitor_forgets_nothing(stack)
        failover(stack, writes)
        database_containers_can_be_replaced(stack, writes)
    finally:
        writes.stop()
    report = writes.check()
    say(f"checked: {report}")
    expect(report["ok"], "rows are lost", report)
    readme_is_followed(stack)
    bring_down(stack)


def main():
    why_not = may_run()
    if why_not:
        print(f"skipped: {why_not}")
        return SKIPPED
    engine = engines.Engine()
    failed = None
    try:
        engine.start()
        say("dockerd runs")
        images.make_base(engine)
        say("the base image is made by debootstrap")
        run(Stack(engine, os.environ.get("PGAF_BIN_DIR", "build/release/bin"), compiled="--compile" in sys.argv[1:]))
    except (engines.EngineError, subprocess.TimeoutExpired) as error:
        failed = str(error)
        show_logs(engine)
    finally:
        left = engine.stop()
    if failed:
        print(f"FAILED: {failed}", file=sys.stderr)
    elif left:
        print(f"FAILED: left behind: {left}", file=sys.stderr)
    else:
        say("OK")
    return 1 if failed or left else 0


def show_logs(engine):
    """The last words of each container, and of the engine."""
    for line in engine.docker("ps", "-a", "--format", "{{.Names}} {{.Status}}", limit=60).splitlines():
        name = line.split()[0]
        print(f"---- {line}", file=sys.stderr)
        print(engine.logs(name, "--tail", "25"), file=sys.stderr)
    print(f"---- dockerd\n{engine.log()[-1500:]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
