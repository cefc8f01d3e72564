"""The stack as a user starts it: a copy of what docker-compose.yml needs in a folder of the test's own, docker-compose by the
handbook's own commands, and what one can ask the running stack."""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import time
import urllib.request

import images
from engine import EngineError, wait_until

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NODES = {"primary": 5432, "replica1": 5433, "replica2": 5434}
PARTS = ("docker-compose.yml", "docker-compose.production.yml", ".env.test", ".env.example", ".dockerignore", "deploy", "sql",
         "prometheus", "grafana")
# What the images are compiled from.
SOURCE = ("CMakeLists.txt", "cmake", "proto", "common", "monitor", "keeper", "ctl")
PRODUCTION = ("-f", "docker-compose.yml", "-f", "docker-compose.production.yml", "-f", "docker-compose.override.yml",
              "--env-file", ".env.production")


class Stack:
    def __init__(self, engine, programs, compiled=False):
        """`compiled`: the images' programs are compiled by the Dockerfile, as a user's are, instead of taken from `programs`."""
        self.engine, self.programs, self.compiled = engine, pathlib.Path(programs), compiled
        self.folder = engine.folder / "pgaf"
        # The words of each command of docker-compose, without those that say which files.
        self.commands = []

    # ---- making it ------------------------------------------------------------------------------------------------

    def make(self):
        self.folder.mkdir(mode=0o755)
        for name in (*PARTS, *(SOURCE if self.compiled else ())):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, self.folder / name)
        shutil.copy2(HERE / "override.yml", self.folder / "docker-compose.override.yml")
        if not self.compiled:
            images.prebuilt(self.programs, self.folder / "deploy/docker/prebuilt")

    def use(self, lines):
        """More lines for .env.test, which the handbook copies: what is this machine's, not the stack's."""
        with open(self.folder / ".env.test", "a", encoding="utf-8") as file:
            file.write("\n".join(["", f"PGAF_PROGRAMS={'build' if self.compiled else 'prebuilt'}", *lines, ""]))

    def settings(self, file=".env"):
        lines = (self.folder / file).read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def setting(self, name):
        return self.settings()[name]

    # ---- commands -------------------------------------------------------------------------------------------------

    def run(self, *words, limit=300):
        return subprocess.run(list(map(str, words)), cwd=self.folder, env=self.engine.environment(), capture_output=True, text=True,
                              check=False, timeout=limit, stdin=subprocess.DEVNULL)

    def compose(self, *words, limit=300, files=("--env-file", ".env")):
        done = self.run("docker-compose", *files, *words, limit=limit)
        if done.returncode != 0:
            raise EngineError(f"docker-compose {' '.join(words)}: {(done.stderr.strip() or done.stdout.strip())[-3000:]}")
        self.commands.append(" ".join(words))
        return done.stdout.strip()

    def handbook(self, mode, blocks, limit=180):
        """The handbook's blocks of this mode, of all its pages, run and compared by its own runner: so many as `blocks`."""
        done = self.run(ROOT / "tests/handbook/run", "--mode", mode, "--shim-compose", "--limit", limit, limit=limit + 60)
        ran = re.search(r"^handbook: (\d+) blocks run, 0 not as written$", done.stdout, re.M)
        if done.returncode != 0 or not ran or int(ran[1]) != blocks:
            raise EngineError(f"the handbook's blocks of {mode}, {blocks} in number, did not all do what is written (exit code "
                              f"{done.returncode}):\n{(done.stdout + done.stderr)[-4000:]}")

    def container(self, service):
        """Its id; asked of docker, which takes a tenth of the time."""
        return self.engine.docker("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.service={service}")

    def image(self, service):
        """The id of what was built for it last; its container may still be of an older one."""
        name = service if service.startswith("pgaf-") else f"pgaf-{service}"
        return self.engine.docker("image", "inspect", "--format", "{{.Id}}", f"{name}:local")

    def inspect(self, service):
        return json.loads(self.engine.docker("inspect", self.container(service)))[0]

    def containers(self):
        """All of the stack, as docker inspects them, by service."""
        ids = self.engine.docker("ps", "-aq", "--filter", "label=com.docker.compose.project=pgaf").split()
        found = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def health(self):
        """What docker says of each service: healthy, starting, unhealthy; or running, exited where it checks nothing."""
        return {service: one["State"].get("Health", one["State"])["Status"] for service, one in self.containers().items()}

    def wait_healthy(self, services, limit=120):
        """Woken by docker's own events."""
        deadline = time.monotonic() + limit
        with subprocess.Popen(["docker", "events", "--filter", "type=container", "--format", "{{.Status}}"],
                              env=self.engine.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as events:
            try:
                while not all((health := self.health()).get(service) == "healthy" for service in services):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise EngineError(f"waited {limit} s for containers to be healthy: {health}")
                    # At least every 5 s: an event may have come before they were listened to.
                    if select.select([events.stdout], [], [], min(left, 5))[0]:
                        os.read(events.stdout.fileno(), 65536)
            finally:
                events.terminate()

    # ---- what the cluster says --------------------------------------------------------------------------------------

    def state(self):
        return json.loads(self.engine.docker("exec", self.container("pgaf-monitor"), "bash", "/opt/pgaf/show-state.sh", limit=30))

    def wait_cluster(self, fits=lambda state: state["healthy"] and len(state["nodes"]) == len(NODES), limit=120,
                     what="the cluster to be healthy"):
        """The state, once it is as wanted."""
        last = None

        def look():
            nonlocal last
            with contextlib.suppress(EngineError):
                last = self.state()
                return last if fits(last) else None
        try:
            return wait_until(look, limit, what, pause=0.2)
        except EngineError as late:
            raise EngineError(f"{late}: {json.dumps(last)}") from late

    # ---- clients, on this machine, over the published ports ---------------------------------------------------------

    def uri(self, names=NODES, database="postgres", user="postgres", more=""):
        hosts = ",".join(f"127.0.0.1:{NODES[name]}" for name in names)
        return f"postgresql://{user}@{hosts}/{database}?connect_timeout=3{more}"

    def client_environment(self):
        return {**os.environ, "PGPASSWORD": self.setting("PGAF_POSTGRES_PASSWORD")}

    def sql(self, uri, statement):
        done = subprocess.run(["psql", "-wXAtq", "-d", uri, "-c", statement], env=self.client_environment(), capture_output=True,
                              text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise EngineError(f"psql {uri}: {done.stderr.strip()}")
        return done.stdout.strip()

    def targets(self):
        with urllib.request.urlopen("http://127.0.0.1:9090/api/v1/targets", timeout=10) as answer:
            return json.load(answer)["data"]["activeTargets"]
