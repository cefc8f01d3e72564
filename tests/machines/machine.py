"""Machines with systemd as their first process: namespaces of their own for processes, mounts, names, network and control
groups, one file system below all of them, and on top of it one for each. Their network is a bridge that leads nowhere else."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "compose"))

import engine as engines  # noqa: E402
import images  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
# Below 10.0.0.0/8, which the line `hba` of the example lets in.
ADDRESS = "10.77.0.{}"
CHECKOUT = "/root/pgaf"
BOOT_LIMIT = 90
LIMIT = 180
ENVIRONMENT = {"PATH": engines.PATH, "LANG": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}


def run(*words, limit=LIMIT, check=True):
    """Exit code and what was printed, both streams in one."""
    done = subprocess.run([*map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=ENVIRONMENT, text=True, errors="replace", timeout=limit, check=False)
    if check and done.returncode != 0:
        raise engines.EngineError(f"{' '.join(map(str, words))} has ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.returncode, done.stdout


def control_groups():
    """Where the control groups of version 2 are; None: nowhere."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return pathlib.Path(before.split()[4])
    return None


class Base:
    """What all machines begin with: Debian by debootstrap, PostgreSQL, and a checkout with the programs."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "base"

    def make(self, programs):
        images.debootstrap(self.root, "--include=systemd-sysv")
        (self.root / "etc/dpkg/dpkg.cfg.d/machines").write_text("force-unsafe-io\n", encoding="ascii")
        checkout = self.root / CHECKOUT[1:]
        shutil.copytree(ROOT / "deploy", checkout / "deploy")
        (checkout / "build/release/bin").mkdir(parents=True)
        images.prebuilt(pathlib.Path(programs), checkout / "build/release/bin")
        # Looks for snapshots of the disk's file systems, of which a machine of namespaces has none, for half a minute.
        (self.root / "etc/systemd/system/e2scrub_reap.service").symlink_to("/dev/null")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        run("mount", "-t", "proc", "proc", self.root / "proc")
        self.bash("deploy/install-deps --runtime", limit=600)

    def bash(self, script, limit=LIMIT):
        return run("chroot", self.root, "bash", "-c", f"cd {CHECKOUT} && set -eo pipefail\n{script}", limit=limit)[1]


class Net:
    """A network namespace with a bridge and nothing else, and a namespace for each machine with one leg on it."""

    def __init__(self):
        self.holders = []
        self.hub = self._namespace()
        self.ip(self.hub, "link", "add", "hub", "type", "bridge")
        self.ip(self.hub, "link", "set", "hub", "up")

    def _namespace(self):
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self.holders.append(holder)
        ours = os.readlink("/proc/self/ns/net")
        engines.wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours, 20, "a network namespace")
        return holder.pid

    def ip(self, namespace, *words):
        run("nsenter", "-t", namespace, "-n", "ip", *words)

    def leg(self, number):
        """The namespace of machine `number`, as the pid of a process in it."""
        inside = self._namespace()
        self.ip(self.hub, "link", "add", f"leg{number}", "type", "veth", "peer", "name", "eth0", "netns", inside)
        self.ip(self.hub, "link", "set", f"leg{number}", "master", "hub", "up")
        self.ip(inside, "link", "set", "lo", "up")
        self.ip(inside, "addr", "add", f"{ADDRESS.format(number)}/24", "dev", "eth0")
        self.ip(inside, "link", "set", "eth0", "up")
        return inside


class Machine:
    def __init__(self, name, base, net, number, groups):
        self.name = name
        self.root = base.folder / name / "root"
        self.groups = groups / name
        self._net = net.leg(number)
        self._process = None
        self._init = None
        for part in ("root", "upper", "work"):
            (base.folder / name / part).mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={base.root},upperdir={base.folder}/{name}/upper,workdir={base.folder}/{name}/work", self.root)
        (self.root / "etc/hostname").write_text(f"{name}\n", encoding="ascii")

    def power_on(self):
        self.groups.mkdir(parents=True, exist_ok=True)

        def enter():
            (self.groups / "cgroup.procs").write_text("0", encoding="ascii")
        self._process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{self._net}/ns/net", "unshare", "--mount", "--propagation", "private", "--uts", "--ipc",
             "--cgroup", "--pid", "--fork", "--kill-child", HERE / "boot", self.root, self.name],
            stdin=subprocess.DEVNULL, stdout=open(self.root.parent / "console", "ab"), stderr=subprocess.STDOUT,
            env={"PATH": engines.PATH}, preexec_fn=enter, start_new_session=True)

    def wait_up(self):
        def systemd():
            if self._process.poll() is not None:
                raise engines.EngineError(f"{self.name} has not booted:\n{self.console()}")
            for pid in engines.descendants(self._process.pid)[:1]:
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "systemd":
                    return pid
            return None
        self._init = engines.wait_until(systemd, BOOT_LIMIT, f"{self.name}: systemd")

        def up():
            return self.run("systemctl", "is-system-running", check=False)[1].strip() in ("running", "degraded")
        try:
            engines.wait_until(up, BOOT_LIMIT, f"{self.name} to be up", pause=0.2)
        except engines.EngineError as error:
            raise engines.EngineError(f"{error}; these jobs wait:\n{self.run('systemctl', 'list-jobs', check=False)[1]}") from None

    def console(self):
        return (self.root.parent / "console").read_text(encoding="utf-8", errors="replace")[-3000:]

    def power_off(self):
        """In order, by systemd."""
        self.run("systemctl", "poweroff", "--no-block", check=False)
        try:
            self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise engines.EngineError(f"{self.name} has not powered off") from None

    def run(self, *words, check=True, limit=LIMIT):
        return run("nsenter", "-t", self._init, "-m", "-u", "-i", "-n", "-p", "-C", "-r", f"--wd=/proc/{self._init}/root{CHECKOUT}",
                   *words, check=check, limit=limit)

    def bash(self, script, check=True):
        return self.run("bash", "-c", f"set -eo pipefail\n{script}", check=check)

    def show(self, unit, what):
        return self.run("systemctl", "show", "--value", "--property", what, unit)[1].strip()

    def kill(self):
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)
