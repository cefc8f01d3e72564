"""The stack as a user starts it: a copy of what docker-compose.yml needs in a folder of the test's own, .env.test as .env,
docker-compose, and what one can ask the running stack."""

import contextlib
import json
import os
import pathlib
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


class Stack:
    def __init__(self, engine, programs):
        self.engine, self.programs = engine, pathlib.Path(programs)
        self.folder = engine.folder / "pgaf"

    # ---- making it ------------------------------------------------------------------------------------------------

    def make(self):
        self.folder.mkdir(mode=0o755)
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, self.folder / name)
        # What the Dockerfile copies for a compilation that does not take place here.
        shutil.copy2(HERE / "override.yml", self.folder / "docker-compose.override.yml")
        images.prebuilt(self.programs, self.folder / "deploy/docker/prebuilt")
        shutil.copy2(self.folder / ".env.test", self.folder / ".env")

    def use(self, lines):
        """More lines for .env: what is this machine's, not the stack's."""
        with open(self.folder / ".env", "a", encoding="utf-8") as file:
            file.write("\n".join(["", "PGAF_PROGRAMS=prebuilt", *lines, ""]))

    def setting(self, name):
        for line in (self.folder / ".env").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}="):
                return line.partition("=")[2]
        raise EngineError(f".env does not set {name}")

    # ---- commands -------------------------------------------------------------------------------------------------

    def run(self, *words, limit=300):
        return subprocess.run(list(map(str, words)), cwd=self.folder, env=self.engine.environment(), capture_output=True, text=True,
                              check=False, timeout=limit, stdin=subprocess.DEVNULL)

    def compose(self, *words, limit=300):
        done = self.run("docker-compose", "--env-file", ".env", *words, limit=limit)
        if done.returncode != 0:
            raise EngineError(f"docker-compose {' '.join(words)}: {(done.stderr.strip() or done.stdout.strip())[-3000:]}")
        return done.stdout.strip()

    def container(self, service):
        """Its id; asked of docker, which takes a tenth of the time."""
        return self.engine.docker("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.service={service}")

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

    def state_by_compose(self):
        """The handbook's command, word for word but for -T: there is no terminal here."""
        done = self.run("bash", "-o", "pipefail", "-c", "docker-compose --env-file .env exec -T pgaf-monitor "
                        "bash /opt/pgaf/show-state.sh | jq -c .", limit=60)
        if done.returncode != 0:
            raise EngineError(f"show-state.sh: {done.stderr.strip()}")
        return json.loads(done.stdout)

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
