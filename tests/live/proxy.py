"""HAProxy with the project's own configuration in front of a local cluster, and clients that know nothing but its ports."""

import contextlib
import os
import pathlib
import subprocess
import threading
import time
import urllib.request

from harness import ROOT, Load, LocalError, processes
from local.cluster import LOAD_USER

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"


class Haproxy:
    def __init__(self, cluster, folder, first_port):
        self.cluster, self.folder = cluster, pathlib.Path(folder)
        self.read_write, self.read_only, self.status = first_port, first_port + 1, first_port + 2
        self.log = self.folder / "haproxy.log"
        self.environment = {
            **os.environ,
            "PGAF_RW_BIND": f"127.0.0.1:{self.read_write}",
            "PGAF_RO_BIND": f"127.0.0.1:{self.read_only}",
            "PGAF_STATS_BIND": f"127.0.0.1:{self.status}",
        }
        for number, node in enumerate(cluster.nodes, 1):
            self.environment[f"PGAF_NODE{number}"] = f"{node.address}:{node.port}"
            self.environment[f"PGAF_KEEPER{number}"] = f"{node.address}:{node.http_port}"
        # It stands in the test's folder: so it is found, and ended, when the test is killed.
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["haproxy", "-db", "-f", CONFIGURATION], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.folder, env=self.environment)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def ask(self, port, statement="SELECT pg_is_in_recovery(), inet_server_port()", limit=10, user=LOAD_USER):
        """What psql gets by this port, without a word about which server it wants: (answer, error)."""
        done = subprocess.run(self.psql(port, user) + ["-c", statement], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=limit, env=self.client_environment())
        return (done.stdout.strip() if done.returncode == 0 else None), done.stderr.strip()

    @staticmethod
    def psql(port, user=LOAD_USER):
        return ["psql", "-wXAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", "postgres"]

    def client_environment(self):
        return {**os.environ, "PGPASSFILE": str(self.cluster.passfile), "PGCONNECT_TIMEOUT": "3"}

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def fit(self, port_name):
        """Names of the servers that HAProxy leads to: node1, ..."""
        mine = [line for line in self.metrics().splitlines() if line.startswith("haproxy_server_status{")
                and f'proxy="{port_name}"' in line and 'state="UP"' in line and line.endswith(" 1")]
        return {line.partition('server="')[2].partition('"')[0] for line in mine}

    def wait_ready(self, limit=30):
        """HAProxy has found the primary and all standbys."""
        def look():
            if self.process.poll() is not None:
                raise LocalError(f"haproxy ended: {self.log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
            with contextlib.suppress(OSError):
                return (self.fit("read_write") == {self.cluster.primary().name}
                        and self.fit("read_only") == {node.name for node in self.cluster.standbys()})
            return False

        processes.wait_until(look, limit, lambda: "both ports of haproxy to lead where they should", 0.1)


class ProxiedLoad(Load):
    """Writes by the read-write port; is held to what each node has, asked by its own address."""

    def __init__(self, cluster, log, port):
        super().__init__(cluster, log)
        self.port = port

    def uri(self, nodes=None):
        return f"postgresql://{LOAD_USER}@127.0.0.1:{self.port}/postgres" if nodes is None else super().uri(nodes)


class Observer:
    """Connects to a port over and over, and keeps each answer: (when it was asked, in recovery, port of the server)."""

    def __init__(self, proxy, port):
        self.proxy, self.port = proxy, port
        self.answers, self.errors = [], []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _run(self):
        while not self._end.is_set():
            asked = time.monotonic()
            try:
                answer, error = self.proxy.ask(self.port)
            except subprocess.TimeoutExpired:
                answer, error = None, "no answer in time"
            if answer:
                recovery, port = answer.split("|")
                self.answers.append((asked, recovery == "t", int(port)))
            else:
                self.errors.append((asked, error))
            self._end.wait(0.02)


class Standing:
    """One session by a port that stays open."""

    def __init__(self, proxy, port):
        self._process = subprocess.Popen(proxy.psql(port), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, env=proxy.client_environment())
        self.server = int(self.ask("SELECT inet_server_port()"))

    def ask(self, statement):
        """The first line of the answer; it begins with psql: where the session is gone."""
        try:
            self._process.stdin.write(statement + ";\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return "psql: gone"
        return self._process.stdout.readline().strip() or "psql: gone"

    def in_recovery(self):
        """None when the session is gone."""
        return {"t": True, "f": False}.get(self.ask("SELECT pg_is_in_recovery()"))

    def end(self):
        self._process.kill()
        self._process.communicate()
