"""A Docker Engine of the test's own: its data, its socket, its processes, its mounts. The machine's own engine, if it has
one, is neither used nor touched, and what iptables and the kernel were told before is put back at the end.

engine.py FOLDER, with a pipe from the test as its stdin, is the guard: it clears everything away when the pipe ends.
"""

import contextlib
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# Not /usr/local: the programs of Debian's packages.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
START_LIMIT = 60
STOP_LIMIT = 40


class EngineError(Exception):
    pass


def expect(condition, text, *found):
    if not condition:
        raise EngineError(f"{text}: {', '.join(map(str, found))}" if found else text)


def wait_until(look, limit, what, pause=0.1):
    """The first true answer of look()."""
    deadline = time.monotonic() + limit
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise EngineError(f"waited {limit} s for {what}")
        time.sleep(pause)
    return answer


def descendants(pid):
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def bridges():
    return {entry.name for entry in pathlib.Path("/sys/class/net").iterdir() if (entry / "bridge").is_dir()}


class Engine:
    """start(), then environment() for docker and docker-compose, then stop()."""

    def __init__(self):
        # Below 108 characters with the names of the sockets in it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgaf-compose-", dir="/var/tmp"))
        self.socket = f"unix://{self.folder}/docker.sock"
        self._process = None
        self._guard = None

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_", "PGAF_"))}
        return {**kept, "PATH": PATH, "DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(self.folder / "client"),
                "DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1", "COMPOSE_PROJECT_NAME": "pgaf",
                "COMPOSE_PARALLEL_LIMIT": "8", "COMPOSE_HTTP_TIMEOUT": "180"}

    def start(self):
        before = {"forward": FORWARD.read_text(encoding="ascii"), "bridges": sorted(bridges()),
                  "rules": subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout}
        (self.folder / "before.json").write_text(json.dumps(before), encoding="utf-8")
        self._guard = subprocess.Popen([sys.executable, "-B", __file__, str(self.folder)], stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        with open(self.folder / "dockerd.log", "wb") as log:
            # Namespaces of its own for processes and mounts: whatever happens to the engine, nothing of them is left. tini
            # reaps what the containers' parents leave.
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "shared", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "tini", "--", "/usr/sbin/dockerd", "--host", self.socket, "--data-root", f"{self.folder}/data",
                 "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/dockerd.pid",
                 "--storage-driver", "overlay2", "--bridge", "none", "--cgroup-parent", f"/{self.folder.name}", "--containerd-namespace", "pgaf",
                 "--shutdown-timeout", "10"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": PATH}, start_new_session=True)
        (self.folder / "engine.pid").write_text(str(self._process.pid), encoding="ascii")

        def answers():
            if self._process.poll() is not None:
                raise EngineError(f"dockerd has ended:\n{self.log()[-3000:]}")
            return subprocess.run(["docker", "version"], env=self.environment(), capture_output=True, check=False,
                                  timeout=30).returncode == 0
        wait_until(answers, START_LIMIT, "dockerd to answer")

    def log(self):
        return (self.folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")

    def docker(self, *words, limit=120, stdin=None):
        done = subprocess.run(["docker", *map(str, words)], env=self.environment(), capture_output=True, text=True,
                              check=False, timeout=limit, stdin=stdin or subprocess.DEVNULL)
        if done.returncode != 0:
            raise EngineError(f"docker {' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def logs(self, container, *words):
        """Both of its streams."""
        done = subprocess.run(["docker", "logs", *words, container], env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        return done.stdout

    def stop(self):
        """In order; then all that is left is cleared away, the guard included. Returns what was left behind."""
        if self._process is not None and self._process.poll() is None:
            for pid in descendants(self._process.pid):
                if "dockerd" in _program(pid):
                    os.kill(pid, signal.SIGTERM)
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT)
        left = clear(self.folder)
        if self._process is not None:
            self._process.wait(10)
        if self._guard is not None:
            self._guard.communicate(timeout=60)
        return left


def _program(pid):
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    return ""


def _removed(control):
    """A control group and what is below it, which comes first. A process that is just ending holds its own."""
    for group, _, _ in os.walk(control, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(group)
    return not control.exists()


def clear(folder):
    """Ends what runs, and puts back what was before. May be called again. Returns complaints."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    left = []
    pid_file = folder / "engine.pid"
    if pid_file.is_file():
        pid = int(pid_file.read_text(encoding="ascii"))
        with contextlib.suppress(OSError):
            # Of this folder: a pid may be another's by now. With it ends its namespace, and with that all containers.
            if str(folder) in pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                below = descendants(pid)
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: not any(os.path.exists(f"/proc/{one}/exe") for one in below), 20, "containers to end")
    if (folder / "before.json").is_file():
        before = json.loads((folder / "before.json").read_text(encoding="utf-8"))
        for name in sorted(bridges() - set(before["bridges"])):
            if name == "docker0" or name.startswith("br-"):
                subprocess.run(["ip", "link", "delete", name], check=False)
        # A table that had nothing in it is left out of a dump, so it has to be emptied by hand.
        for table in ("filter", "nat"):
            if f"*{table}" in before["rules"]:
                continue
            for words in (["-F"], ["-X"], *(["-P", chain, "ACCEPT"] for chain in ("INPUT", "FORWARD", "OUTPUT"))):
                subprocess.run(["iptables", "-w", "-t", table, *words], check=False, capture_output=True)
        done = subprocess.run(["iptables-restore"], input=before["rules"], text=True, check=False, capture_output=True)
        if done.returncode != 0:
            left.append(f"iptables-restore: {done.stderr.strip()}")
        FORWARD.write_text(before["forward"], encoding="ascii")
        left += [f"bridge {name}" for name in bridges() - set(before["bridges"])]
    groups = pathlib.Path("/sys/fs/cgroup")
    # Of version 1 one below each controller, of version 2 just one.
    for control in (*groups.glob(f"*/{folder.name}"), *groups.glob(folder.name)):
        try:
            wait_until(lambda group=control: _removed(group), 20, f"control group {control} to be empty")
        except EngineError as error:
            left.append(str(error))
    # debootstrap's, where it was ended in the middle.
    for line in reversed(pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        if (place := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", place], check=False)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        left.append(f"folder {folder}")
    return left


def subnet_is_free(subnet):
    """Whether no route of this machine leads into it."""
    wanted = ipaddress.ip_network(subnet)
    routes = json.loads(subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, text=True, check=True).stdout)
    return not any(route["dst"] != "default" and wanted.overlaps(ipaddress.ip_network(route["dst"])) for route in routes)


if __name__ == "__main__":
    sys.stdin.read()
    clear(sys.argv[1])
