"""A network of the test's own: one namespace for each node, the monitor and the clients, all on one bridge in a further one.

Nothing of it touches the machine's network. Faults are filters in the namespace that receives (so a sender learns nothing,
as from a cable that is cut), one for each direction: nothing from an address, or a share of its packets at random.
"""

import itertools
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading

import paths  # noqa: F401
from local import LocalError

PREFIX = "pgaf-"
SUBNET = "10.77.0"
NAMESPACES = "/run/netns"


def run(*words, **options):
    """A command that has to succeed; what it printed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise LocalError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def why_not():
    """Why no network of the test's own can be made here; empty when it can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    missing = [program for program in ("ip", "nft", "tc", "ethtool", "nsenter", "setpriv") if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not found; deploy/install-deps installs them"
    network = Network()
    try:
        network.make(["monitor", "clients"])
        network.cut("monitor", "clients")
        return ""
    except LocalError as wrong:
        return f"this machine makes no network of the test's own: {wrong}"
    finally:
        network.remove()


def remove_all(identity):
    """Whatever is left of the network of that name."""
    if not os.path.isdir(NAMESPACES):
        return
    for name in os.listdir(NAMESPACES):
        if name.startswith(f"{PREFIX}{identity}-"):
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)


class Network:
    """A Place for a local cluster (local/place.py), and the faults of it. Names: `monitor`, `clients`, and the nodes'."""

    clients = f"{SUBNET}.0/24"
    any_host = "*"
    shared = False
    data_folder = "disk/data"

    def __init__(self):
        self.identity = f"{random.SystemRandom().randrange(16 ** 6):06x}"
        self.names = []
        # (from, to) -> share of the packets that get lost, 0 to 100.
        self._lost = {}
        # Name -> what takes its delay away.
        self._delayed = {}
        self._lock = threading.Lock()

    # ---- making it ------------------------------------------------------------------------------------------------

    def namespace(self, name):
        return f"{PREFIX}{self.identity}-{name}"

    def make(self, names):
        self.names = list(names)
        hub = self.namespace("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "hub", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "hub", "up")
        for name in self.names:
            space = self.namespace(name)
            run("ip", "netns", "add", space)
            run("ip", "-n", hub, "link", "add", "name", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "-n", hub, "link", "set", f"to-{name}", "master", "hub", "up")
            run("ip", "-n", space, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "link", "set", "eth0", "up")

    def remove(self):
        for name in list(self._delayed):
            self._undelay(name)
        remove_all(self.identity)

    def address(self, name):
        fixed = {"monitor": 1, "clients": 2}
        return f"{SUBNET}.{fixed[name] if name in fixed else 10 + int(name.removeprefix('node'))}"

    def enter(self, name, account=None):
        words = ["nsenter", f"--net={NAMESPACES}/{self.namespace(name)}", "--"]
        if account is not None:
            words += ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups", "--"]
        return words

    # ---- filters --------------------------------------------------------------------------------------------------

    def lose(self, sender, receiver, percent):
        """So many of a hundred packets from the one to the other get lost, at random; 100: nothing arrives; 0: all does."""
        with self._lock:
            self._lost[(sender, receiver)] = percent
            self._render(receiver)

    def cut(self, one, other):
        """Both directions."""
        self.lose(one, other, 100)
        self.lose(other, one, 100)

    def mend(self, one, other):
        self.lose(one, other, 0)
        self.lose(other, one, 0)

    def split(self, *groups):
        """Who is in different groups can't reach each other."""
        for left, right in itertools.combinations(groups, 2):
            for one, other in itertools.product(left, right):
                self.cut(one, other)

    def mend_all(self):
        with self._lock:
            touched = {receiver for (_, receiver), percent in self._lost.items() if percent}
            self._lost.clear()
            for receiver in touched:
                self._render(receiver)
            for name in list(self._delayed):
                self._undelay(name)

    def _render(self, receiver):
        lines = ["table inet faults {}", "delete table inet faults", "table inet faults { chain faults {",
                 "type filter hook input priority 0; policy accept;"]
        for (sender, to), percent in sorted(self._lost.items()):
            if to == receiver and percent > 0:
                chance = "" if percent >= 100 else f"numgen random mod 100 < {int(percent)} "
                lines.append(f"ip saddr {self.address(sender)} {chance}drop")
        run(*self.enter(receiver), "nft", "-f", "-", input="\n".join(lines) + "\n}\n}\n")

    # ---- slow links -----------------------------------------------------------------------------------------------

    def narrow(self, name, kilobits):
        """What it sends gets through at so many kbit a second, with a queue of half a second; None: at full speed."""
        words = self.enter(name)
        if kilobits is None:
            subprocess.run([*words, "tc", "qdisc", "del", "dev", "eth0", "root"], stderr=subprocess.DEVNULL, check=False)
        else:
            run(*words, "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{kilobits}kbit",
                "burst", "16kb", "latency", "500ms")

    def delay(self, name, milliseconds):
        """Each packet to and from it arrives so much later; 0: at once. By netem, else by a relay between its link and
        the bridge."""
        with self._lock:
            self._undelay(name)
            if milliseconds > 0:
                self._delayed[name] = self._netem(name, milliseconds) or self._relay(name, milliseconds)

    def _undelay(self, name):
        undo = self._delayed.pop(name, None)
        if undo is not None:
            undo()

    def _netem(self, name, milliseconds):
        """None when the kernel has it not."""
        ways = [self.enter(name) + ["tc", "qdisc", "{}", "dev", "eth0", "root"],
                self.enter("hub") + ["tc", "qdisc", "{}", "dev", f"to-{name}", "root"]]

        def do(what, *rest):
            return [subprocess.run([word.format(what) for word in way] + list(rest), capture_output=True, check=False)
                    for way in ways]

        done = do("add", "netem", "delay", f"{milliseconds}ms")
        if any(each.returncode for each in done):
            do("del")
            return None
        return lambda: do("del")

    def _relay(self, name, milliseconds):
        hub, link, left, right = self.namespace("hub"), f"to-{name}", f"l-{name}", f"r-{name}"
        # The relay sees frames before the card would have completed them, so nothing may be left to the card.
        for end in (self.enter(name) + ["ethtool", "-K", "eth0"], self.enter("hub") + ["ethtool", "-K", link]):
            run(*end, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        run("ip", "-n", hub, "link", "add", left, "type", "veth", "peer", "name", right)
        for end in (left, right):
            run(*self.enter("hub"), "ethtool", "-K", end, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        run("ip", "-n", hub, "link", "set", right, "master", "hub", "up")
        run("ip", "-n", hub, "link", "set", left, "up")
        run("ip", "-n", hub, "link", "set", link, "nomaster")
        relay = subprocess.Popen(
            self.enter("hub") + [sys.executable, "-B", str(pathlib.Path(__file__).with_name("relay.py")), link, left,
                                 str(milliseconds)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        relay.stdout.readline()

        def undo():
            relay.kill()
            relay.communicate()
            subprocess.run(["ip", "-n", hub, "link", "delete", left], check=False)
            run("ip", "-n", hub, "link", "set", link, "master", "hub", "up")

        return undo
