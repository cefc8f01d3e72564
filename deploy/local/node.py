"""One node of a local cluster: a data folder, its launcher with PostgreSQL below it, and its keeper."""

import contextlib
import os
import pathlib
import signal
import subprocess

from . import processes, toml
from .errors import LocalError
from .processes import Process


class Node:
    def __init__(self, cluster, name, port, http_port, priority, quorum=True):
        self.cluster, self.name, self.port, self.http_port = cluster, name, port, http_port
        self.priority, self.quorum = priority, quorum
        self.address = cluster.place.address(name)
        self.folder = cluster.folder / name
        self.data = self.folder / cluster.place.data_folder
        self.state = self.folder / "state"
        self.config = self.folder / "keeper.toml"
        self.socket = self.folder / "run" / "launcher.sock"
        programs, account = cluster.programs, cluster.account
        enter = cluster.place.enter(name, account)
        self.launcher = Process(
            f"launcher of {name}",
            [programs / "pgaf-launcher", "--pgdata", self.data, "--log", self.folder / "log" / "postgres.log",
             "--socket", self.socket],
            self.folder / "run" / "launcher.pid", self.folder / "log" / "launcher.log", account,
            enter=enter,
        )
        self.keeper = Process(
            f"keeper of {name}",
            [programs / "pgaf-keeper", "run", "--config", self.config],
            self.folder / "run" / "keeper.pid", self.folder / "log" / "keeper.log", account,
            enter=enter,
        )

    # ---- making it ------------------------------------------------------------------------------------------------

    def make(self):
        """Folders and configuration; changes nothing that is there and right."""
        for folder in (self.folder, self.state, self.folder / "run", self.folder / "log"):
            self.cluster.account.make_folder(folder)
        # Nothing but configuration says who may be asked what: see keeper.toml in deploy/examples for the words.
        settings = {
            "cluster": self.cluster.name,
            "node": self.name,
            "monitor": [f"{self.cluster.monitor.address}:{self.cluster.monitor.port}"],
            "pgdata": self.data,
            "state_dir": self.state,
            "launcher_socket": self.socket,
            "socket_dir": self.folder / "run",
            "host": self.address,
            "port": self.port,
            "listen": self.address,
            "http_listen": f"{self.address}:{self.http_port}",
            "candidate_priority": self.priority,
            "replication_quorum": self.quorum,
            "superuser": "postgres",
            "superuser_password_file": self.cluster.secrets / "superuser",
            "replication_password_file": self.cluster.secrets / "replication",
            # The second one is for base backups.
            "hba": [f"host all all {self.cluster.place.clients} scram-sha-256",
                    f"host replication postgres {self.cluster.place.clients} scram-sha-256"],
            "parameters": {
                # Several servers share one small machine here.
                "shared_buffers": "32MB",
                "max_connections": "100",
                "max_wal_size": "256MB",
                # In the data folder: what a killed server leaves behind goes with it.
                "dynamic_shared_memory_type": "mmap",
                "log_line_prefix": "%m [%p] %q%a ",
                **self.cluster.parameters,
            },
        }
        self.cluster.account.write(self.config, toml.document(settings))

    # ---- processes ------------------------------------------------------------------------------------------------

    @property
    def postmaster(self):
        """Pid of the running postmaster, else None."""
        try:
            # The second line is a path, in whatever encoding.
            pid = int((self.data / "postmaster.pid").read_bytes().split(b"\n")[0])
            program = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
            folder = pathlib.Path(f"/proc/{pid}/cwd").resolve()
        except (FileNotFoundError, ProcessLookupError, ValueError, PermissionError):
            return None
        ours = program in ("postgres", "postmaster") and folder == self.data.resolve()
        return pid if ours and processes.start_time(pid) is not None else None

    def pids(self):
        return {"keeper": self.keeper.pid, "launcher": self.launcher.pid, "postmaster": self.postmaster}

    def runs(self):
        return self.keeper.pid is not None and self.launcher.pid is not None

    def start(self):
        """Launcher and keeper; PostgreSQL is started by them when the monitor says so."""
        self.launcher.start()
        self.keeper.start()

    def stop(self, limit=60):
        """An orderly end: the launcher stops PostgreSQL (and hands over first, when the keeper is there to)."""
        self.launcher.stop(limit)
        self.keeper.stop(limit)

    def stop_without_handover(self, limit=60):
        """The keeper goes first, so nobody is asked to take over."""
        self.keeper.stop(limit)
        self.launcher.stop(limit)

    def server_processes(self):
        """Postmaster, its children, and what the launcher has adopted: parents first."""
        postmaster, launcher = self.postmaster, self.launcher.pid
        pids = [postmaster] + processes.descendants(postmaster) if postmaster else []
        if launcher:
            pids += [pid for pid in processes.descendants(launcher) if pid not in pids]
        return pids

    def all_processes(self):
        return [pid for pid in (self.keeper.pid, self.launcher.pid) if pid] + self.server_processes()

    def kill(self):
        """The machine is lost: everything of this node dies at once."""
        processes.kill_all(self.all_processes())

    def kill_managers_and_postmaster(self):
        """Keeper, launcher and postmaster die, the backends find out by themselves."""
        processes.kill_all([pid for pid in (self.keeper.pid, self.launcher.pid, self.postmaster) if pid])

    def kill_postmaster(self):
        pid = self.postmaster
        if pid is None:
            raise LocalError(f"no postmaster runs on {self.name}")
        processes.kill_all([pid])

    def server_process(self, kind, words=""):
        """Pids of this server's processes of one kind, walsender, walreceiver, checkpointer..., whose title has these words."""
        found = []
        for pid in self.server_processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                if f"postgres: {kind}" in title and words in title:
                    found.append(pid)
        return found

    def crash_backend(self):
        """A server process dies of SIGKILL: PostgreSQL ends all sessions and recovers by itself."""
        found = self.server_process("checkpointer")
        if not found:
            raise LocalError(f"{self.name} runs no server process to kill")
        processes.send(found[0], signal.SIGKILL)

    def freeze(self):
        """The machine stands still. The postmaster first, so that no child is forked meanwhile."""
        for _ in range(2):
            for pid in self.server_processes():
                processes.send(pid, signal.SIGSTOP)
        for process in (self.launcher, self.keeper):
            process.signal(signal.SIGSTOP)

    def thaw(self):
        """It goes on. Backends first: the worst order for a primary that was replaced meanwhile."""
        for pid in reversed(self.server_processes()):
            processes.send(pid, signal.SIGCONT)
        for process in (self.launcher, self.keeper):
            process.signal(signal.SIGCONT)

    def sql(self, statements, timeout=30):
        """Runs statements on this very server with psql, as the superuser; what they return, without decoration."""
        done = subprocess.run(
            [*self.cluster.place.enter(self.name), "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.address,
             "-p", str(self.port), "-U", "postgres", "-c", statements, "postgres"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
            env={**os.environ, "PGPASSFILE": str(self.cluster.passfile), "PGCONNECT_TIMEOUT": "5"},
        )
        if done.returncode != 0:
            raise LocalError(f"psql on {self.name}: {done.stderr.strip()}")
        return done.stdout.strip()

    # ---- for people -----------------------------------------------------------------------------------------------

    def describe(self):
        return {"name": self.name, "host": self.address, "port": self.port, "http_port": self.http_port,
                "data": str(self.data), **self.pids()}
