"""Processes that outlive the command that started them: pid files, signals, waiting for an exit, the tree below one."""

import json
import os
import pathlib
import select
import signal
import subprocess
import time

from .errors import LocalError

_own_children = {}
# What the sanitizers' runtimes read: of the environment, only this reaches the processes.
SANITIZER_OPTIONS = ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")


def start_time(pid):
    """Clock ticks since boot at which the process began; None when it is gone, or dead and not yet reaped."""
    child = _own_children.get(pid)
    if child is not None and child.poll() is not None:
        del _own_children[pid]
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def stands_still(pid):
    """Whether SIGSTOP holds it."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] in "Tt"


def descendants(pid):
    """All processes below one, parents before their children."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = pathlib.Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = text.rpartition(")")[2].split()
        if fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return found


def send(pid, number):
    """Sends a signal; a process that is gone by now is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def wait_gone(pid, began, limit):
    """Waits until the process of that pid and start time has ended. True when it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if start_time(pid) != began:
            return True
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(max(0, limit) * 1000))
    finally:
        os.close(descriptor)


def kill_all(pids):
    """SIGKILL to all of them, one right after the other, and waits for the end of each."""
    began = {pid: start_time(pid) for pid in pids}
    for pid in pids:
        send(pid, signal.SIGKILL)
    for pid in pids:
        if began[pid] is not None and not wait_gone(pid, began[pid], 10):
            raise LocalError(f"process {pid} is still there 10 s after SIGKILL")


class Process:
    """One program, known by its pid file."""

    def __init__(self, name, argv, pid_file, log_file, account, environment=None, enter=()):
        """`enter`: the words of a program, begun as ourselves, that goes somewhere else and runs the rest as the account
        (Place.enter); it has to become the program, so that the pid stays."""
        self.name = name
        self.argv = [*enter, *(str(word) for word in argv)]
        self.enters = bool(enter)
        self.pid_file = pathlib.Path(pid_file)
        self.log_file = pathlib.Path(log_file)
        self.account = account
        self.environment = environment or {}

    def _identity(self):
        try:
            known = json.loads(self.pid_file.read_text(encoding="utf-8"))
            pid, began = int(known["pid"]), int(known["started"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return (pid, began) if start_time(pid) == began else None

    @property
    def pid(self):
        """Its pid while it lives, else None."""
        identity = self._identity()
        return identity[0] if identity else None

    def start(self):
        """Starts it in a session of its own, unless it runs already."""
        if self.pid is not None:
            return
        handed_on = {name: os.environ[name] for name in SANITIZER_OPTIONS if name in os.environ}
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/", **handed_on,
                       **self.environment}
        with open(self.log_file, "ab") as log:
            self.account.own(self.log_file)
            child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment,
                start_new_session=True, umask=0o077, **({} if self.enters else self.account.popen_options()),
            )
        _own_children[child.pid] = child
        began = start_time(child.pid)
        if began is None:
            raise LocalError(f"{self.name} ended at once; {self.last_words()}")
        self.account.write(self.pid_file, json.dumps({"pid": child.pid, "started": began}) + "\n", 0o644)

    def last_words(self, lines=5):
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        last = [line for line in text.splitlines() if line.strip()][-lines:]
        return f"the end of {self.log_file} says:\n  " + "\n  ".join(last or ["(nothing)"])

    def signal(self, number):
        """False when it does not run."""
        identity = self._identity()
        if identity is None:
            return False
        send(identity[0], number)
        return True

    def wait_gone(self, limit):
        identity = self._identity()
        return identity is None or wait_gone(*identity, limit)

    def kill(self):
        """kill -9, and waits for the end of it."""
        identity = self._identity()
        if identity is not None:
            send(identity[0], signal.SIGKILL)
            if not wait_gone(*identity, 10):
                raise LocalError(f"{self.name} (pid {identity[0]}) is still there 10 s after SIGKILL")

    def stop(self, limit=60):
        """SIGTERM, and waits; SIGKILL after the limit. True when SIGTERM was enough."""
        identity = self._identity()
        if identity is None:
            return True
        send(identity[0], signal.SIGCONT)
        send(identity[0], signal.SIGTERM)
        if wait_gone(*identity, limit):
            return True
        self.kill()
        return False


def wait_until(condition, limit, what, pause=0.1):
    """Asks again and again until the condition gives something true, and returns that."""
    deadline = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise LocalError(f"waited {limit:g} s for: {what() if callable(what) else what}")
        time.sleep(pause)
