"""A local cluster as a whole: its folder, ports, secrets, and the state that the monitor gives of it.

Ports, from the first one on: monitor (gRPC), monitor (HTTP), then for each node PostgreSQL and the keeper's HTTP.
"""

import json
import os
import pathlib
import secrets as random_source
import socket

from . import processes
from .account import Account
from .ctl import Ctl
from .errors import LocalError
from .monitor import Monitor
from .node import Node
from .place import Loopback
from .programs import reachable_folder

# A Unix socket's path has room for 107 bytes; the longest one below a cluster's folder is .s.PGSQL.NNNNN.lock.
LONGEST_FOLDER = 60
# Who the test loads connect as.
LOAD_USER = "pgaf_load"


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_free(first, nodes, wanted):
    """A port that another program uses is said before anything is started."""
    taken = [str(port) for port in wanted if not port_is_free(port)]
    if taken:
        raise LocalError(
            f"port {', '.join(taken)} on 127.0.0.1 is in use by another program; ports {first} to "
            f"{first + 1 + 2 * nodes} are needed: choose another first port with --port, or stop that program"
        )


class Cluster:
    def __init__(self, folder, first_port=None, name="default", settings=None, parameters=None, place=None):
        """`settings` go into the monitor's configuration, `parameters` into PostgreSQL's. A folder that holds a cluster
        already knows its ports and nodes. `place`: where they run, when not on 127.0.0.1."""
        self.place = place or Loopback()
        self.folder = pathlib.Path(folder).absolute()
        self.account = Account()
        self._check_folder()
        self.file = self.folder / "cluster.json"
        self.secrets = self.folder / "secrets"
        self.passfile = self.secrets / "pgpass"
        known = self._known()
        self.name = known.get("name", name)
        self.first_port = known.get("first_port", first_port)
        self.settings = known.get("settings", settings or {})
        self.parameters = known.get("parameters", parameters or {})
        if self.first_port is None or not 1024 <= self.first_port <= 65000:
            raise LocalError(f"the first port must be between 1024 and 65000, not {self.first_port}")
        made = not self.folder.exists()
        self.account.make_folder(self.folder)
        if not self.account.can_enter(self.folder):
            if made:
                self.folder.rmdir()
            raise LocalError(
                f"user {self.account.name}, which PostgreSQL runs as, can't get into {self.folder}; "
                "choose a folder whose parents others may enter, for example below /var/tmp"
            )
        self.programs = reachable_folder(self.account, self.folder / "bin")
        self.monitor = Monitor(self, self.first_port, self.first_port + 1)
        self.nodes = [self._node(*each) for each in known.get("nodes", [])]
        self._made = known.get("made", 0)
        self.ctl = Ctl(self)

    def _check_folder(self):
        if len(str(self.folder)) > LONGEST_FOLDER:
            raise LocalError(
                f"the path {self.folder} is too long for the Unix sockets below it; choose one of at most "
                f"{LONGEST_FOLDER} characters"
            )
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise LocalError(f"{self.folder} is no folder; choose another one")
        if self.folder.is_dir():
            owner = self.folder.stat().st_uid
            if owner not in (os.geteuid(), self.account.uid):
                raise LocalError(f"{self.folder} belongs to another user; choose another one")
            if any(self.folder.iterdir()) and not (self.folder / "cluster.json").exists():
                raise LocalError(f"{self.folder} is not empty and holds no local cluster; choose another one")

    @classmethod
    def exists(cls, folder):
        return (pathlib.Path(folder) / "cluster.json").is_file()

    def _known(self):
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as wrong:
            raise LocalError(f"{self.file} can't be read ({wrong}); remove {self.folder} to begin anew") from None

    def _save(self):
        known = {
            "name": self.name, "first_port": self.first_port, "settings": self.settings,
            "parameters": self.parameters, "made": self._made,
            "nodes": [[node.name, node.port, node.http_port, node.priority, node.quorum] for node in self.nodes],
        }
        self.account.write(self.file, json.dumps(known, indent=2) + "\n", 0o644)

    def _node(self, name, port, http_port, priority, quorum=True):
        return Node(self, name, port, http_port, priority, quorum)

    # ---- making and changing it -----------------------------------------------------------------------------------

    def make(self, nodes):
        """Folders, secrets and configuration for at least so many nodes. Starts nothing."""
        self.account.make_folder(self.secrets)
        for secret in ("superuser", "replication", "load"):
            self.secret(secret)
        if not self.passfile.exists():
            self.account.write(self.passfile, "".join(
                f"{self.place.any_host}:*:*:{user}:{self.password(secret)}\n"
                for user, secret in (("postgres", "superuser"), (LOAD_USER, "load"))))
        self.monitor.make()
        while len(self.nodes) < nodes:
            self.add_node()
        for node in self.nodes:
            node.make()
        self._save()

    def add_node(self, priority=None, quorum=True):
        """One more node; not started yet."""
        number = self._made + 1
        port = self.first_port + 2 * number
        if priority is None:
            priority = max(100 - 10 * (number - 1), 10)
        node = self._node(f"node{number}", port, port + 1, priority, quorum)
        self._made = number
        self.nodes.append(node)
        node.make()
        self._save()
        return node

    def forget_node(self, node):
        """A node that was dropped from the cluster is no longer one of ours."""
        self.nodes.remove(node)
        self._save()

    def secret(self, name):
        """The file of a password, which is made up when it is asked for the first time."""
        file = self.secrets / name
        if not file.exists():
            self.account.write(file, random_source.token_urlsafe(18) + "\n")
        return file

    def password(self, secret="superuser"):
        return (self.secrets / secret).read_text(encoding="utf-8").strip()

    def node(self, name):
        for node in self.nodes:
            if node.name == name:
                return node
        raise LocalError(f"there is no node {name}; the nodes are {', '.join(each.name for each in self.nodes)}")

    # ---- processes ------------------------------------------------------------------------------------------------

    def check_ports(self):
        wanted = [] if self.monitor.pid else [self.monitor.port, self.monitor.http_port]
        for node in self.nodes:
            if node.postmaster is None:
                wanted.append(node.port)
            if node.keeper.pid is None:
                wanted.append(node.http_port)
        if self.place.shared:
            check_free(self.first_port, self._made, wanted)

    def start(self):
        self.check_ports()
        self.monitor.start()
        for node in self.nodes:
            node.start()

    def check_running(self, nodes=None):
        """A program that gave up says why at once, instead of being waited for."""
        nodes = self.nodes if nodes is None else nodes
        programs = [self.monitor.process] + [each for node in nodes for each in (node.launcher, node.keeper)]
        for program in programs:
            if program.pid is None:
                raise LocalError(f"the {program.name} does not run; {program.last_words()}")

    def wait_up(self, limit=120):
        """After start(): healthy, with all programs running."""
        def look():
            self.check_running()
            return self.is_healthy()

        return self.wait_for(look, limit, "a healthy cluster")

    def stop(self):
        """An orderly end of everything: standbys and primary without a handover, the monitor last."""
        for node in self.nodes:
            for process in (node.keeper, node.launcher):
                process.signal(18)  # SIGCONT: a frozen node can't end
        for node in self.nodes:
            node.keeper.stop(30)
        for node in self.nodes:
            node.launcher.stop(60)
        self.monitor.stop()

    def kill(self, nodes=None):
        """These nodes die at once, or everything and the monitor too."""
        pids = [pid for node in (self.nodes if nodes is None else nodes) for pid in node.all_processes()]
        if nodes is None and self.monitor.pid:
            pids.append(self.monitor.pid)
        processes.kill_all(pids)

    # ---- what is so -----------------------------------------------------------------------------------------------

    def uri(self, nodes=None, password=True, user="postgres"):
        """Finds the primary by itself, with psql or any other libpq client. `password`: the superuser's is in it."""
        hosts = ",".join(f"{node.address}:{node.port}" for node in (self.nodes if nodes is None else nodes))
        secret = f":{self.password()}" if password else ""
        return f"postgresql://{user}{secret}@{hosts}/postgres?target_session_attrs=read-write"

    def state(self):
        return self.ctl.state()

    def primary(self):
        """The node that is the writable primary now, as the monitor says."""
        state = self.state() or {}
        for status in state.get("nodes", []):
            if status["primary"] and state.get("has_writable_primary"):
                return self.node(status["name"])
        raise LocalError(f"the monitor names no writable primary: {summary(state)}")

    def standbys(self):
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    @staticmethod
    def is_settled(state, node):
        """This node does what it is told to, whatever the others do."""
        return any(each["name"] == node.name and each["healthy"] and each["state"] == each["assigned"]
                   for each in (state or {}).get("nodes", []))

    def is_healthy(self, nodes=None):
        """One primary that takes writes, the other nodes standbys that are caught up; only `nodes` are looked at."""
        state = self.state()
        if not state or not state["has_writable_primary"] or not state["healthy"]:
            return False
        wanted = {node.name for node in (self.nodes if nodes is None else nodes)}
        states = {status["name"]: status for status in state["nodes"]}
        if not wanted <= set(states):
            return False
        words = sorted(states[name]["state"] for name in wanted)
        good = words in (["single"], ["primary"]) or words.count("primary") == 1 and set(words) == {"primary", "secondary"}
        settled = all(states[name]["state"] == states[name]["assigned"] for name in wanted)
        return state if good and settled else False

    def wait_healthy(self, limit=60, nodes=None):
        return self.wait_for(lambda: self.is_healthy(nodes), limit, "a healthy cluster")

    def wait_for(self, condition, limit, what):
        return processes.wait_until(condition, limit, lambda: f"{what}; the cluster: {summary(self.state())}", 0.15)


def summary(state):
    """A state in one line, for messages."""
    if not state:
        return "the monitor does not answer"
    nodes = ", ".join(
        f"{each['name']} {each['state']}/{each['assigned']}" + (f" ({each['problem']})" if each.get("problem") else "")
        + (f" [{each['doing']}]" if each.get("doing") else "")
        for each in state.get("nodes", [])
    )
    waiting = f", waits: {state['waiting']}" if state.get("waiting") else ""
    return f"epoch {state.get('epoch')}, {state.get('phase')}, {nodes}{waiting}"
