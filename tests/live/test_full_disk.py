#!/usr/bin/python3
"""A disk that is full, under a running cluster: nothing is lost or half-written, and with room again all is well.

Everything of two nodes lies on small file systems of their own (tmpfs, so root is needed to mount them): PostgreSQL's
data, the keeper's state and the logs run out of room together.
"""

import contextlib
import os
import shutil
import subprocess
import unittest

from harness import Cluster, LiveCase, Load, LocalError, free_ports, main, scratch_folder

ROOM = 300 << 20


def mount_small(folder, account, room=ROOM):
    options = f"size={room},mode=0700,uid={account.uid},gid={account.gid}"
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pgaf-live", str(folder)], capture_output=True, text=True)


def unmount(folder):
    """Also when a process that was killed still holds a file there, and when nothing is mounted."""
    subprocess.run(["umount", "--lazy", str(folder)], stderr=subprocess.DEVNULL)


def why_not():
    """Why no file system can be mounted here; empty when one can."""
    if os.geteuid() != 0:
        return "only root can mount a small file system"
    folder = scratch_folder()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "pgaf-live", str(folder)], capture_output=True, text=True)
        if done.returncode != 0:
            return f"this machine mounts no tmpfs: {done.stderr.strip()}"
        unmount(folder)
        return ""
    finally:
        folder.rmdir()


REASON = why_not()


@unittest.skipIf(REASON, REASON)
class FullDisk(LiveCase):
    # Segments are recycled late, so that new ones ask for room soon.
    parameters = {"min_wal_size": "32MB", "max_wal_size": "64MB"}

    @classmethod
    def make_cluster(cls):
        cls.folder = scratch_folder()
        cls.cluster = Cluster(cls.folder / "c", free_ports(24), settings=cls.settings, parameters=cls.parameters)
        for name in ("node1", "node2"):
            folder = cls.cluster.account.make_folder(cls.folder / "c" / name)
            if (done := mount_small(folder, cls.cluster.account)).returncode != 0:
                raise AssertionError(done.stderr)
        cls.cluster.make(3)
        cls.cluster.start()
        cls.cluster.wait_up()
        cls.load = Load(cls.cluster, cls.folder / "load.log")
        cls.broken = False

    @classmethod
    def end_cluster(cls, keep_logs=False):
        nodes = cls.cluster.nodes if cls.cluster else []
        if keep_logs:
            cls.show_logs()  # the logs themselves go with the file systems
        if cls.cluster:
            cls.cluster.kill()
        for node in nodes:
            unmount(node.folder)
        super().end_cluster()

    def fill(self, node):
        """Takes all the room that is left."""
        file = node.folder / "filler"
        with open(file, "wb", buffering=0) as out:
            for size in (1 << 20, 4096, 1):
                try:
                    while out.write(b"\0" * size) == size:
                        pass
                except OSError:
                    pass
        self.addCleanup(file.unlink, missing_ok=True)
        return file

    def write_wal(self, node, segments):
        """WAL in new files, until the server has no room for one."""
        with contextlib.suppress(LocalError):
            for _ in range(segments):
                node.sql("CREATE TABLE wal(); DROP TABLE wal; SELECT pg_switch_wal()")

    def small(self, primary):
        """A node with a small disk: the primary, made so if need be, or a standby."""
        small = self.cluster.nodes[:2]
        now = self.cluster.primary()
        if not primary:
            return next(node for node in small if node is not now)
        if now not in small:
            self.cluster.ctl.do("perform", "switchover", "--to", small[0].name)
            self.cluster.wait_healthy(30)
        return self.cluster.primary()

    def wait_problem(self, node):
        self.cluster.wait_for(lambda: "No space left" in self.status(node).get("problem", ""), 30,
                              f"{node.name} to say that its disk is full")

    def test_standby(self):
        """The primary goes on with its other standby."""
        standby, primary, epoch = self.small(primary=False), self.cluster.primary(), self.epoch()
        with self.under_load(90) as load:
            file = self.fill(standby)
            self.write_wal(primary, 12)
            self.cluster.wait_for(lambda: self.status(standby)["state"] != "secondary", 30, "the standby to fall behind")
            load.wait_acknowledged(20)
            file.unlink()
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_primary(self):
        """PostgreSQL ends when it has no room for WAL: another node takes over, and this one is back when it has room."""
        old = self.small(primary=True)
        with self.under_load(90) as load:
            file = self.fill(old)
            self.write_wal(old, 12)
            self.wait_primary([node for node in self.cluster.nodes if node is not old])
            load.wait_acknowledged(20)
            self.wait_problem(old)
            file.unlink()
        self.assertIsNot(self.cluster.primary(), old)
        kept = [file for file in old.state.glob("wal-kept/*/*") if len(file.name) == 24]
        self.assertEqual({file.stat().st_size for file in kept} - {16 << 20}, set(), "no WAL is kept aside by halves")

    def test_a_new_node_without_room(self):
        """It says so while it is being cloned, and is cloned when there is room; the cluster does not mind."""
        name = f"node{len(self.cluster.nodes) + 1}"
        folder = self.cluster.account.make_folder(self.cluster.folder / name)
        self.assertEqual(mount_small(folder, self.cluster.account, 20 << 20).returncode, 0)
        with self.under_load(90) as load:
            node = self.cluster.add_node(priority=0)
            node.start()
            self.wait_problem(node)
            load.wait_acknowledged(20)
            subprocess.run(["mount", "-o", f"remount,size={ROOM}", str(folder)], check=True)
        self.assertEqual(self.status(node)["state"], "secondary")


if __name__ == "__main__":
    main()
