"""A small disk for each node's data folder: ext4 in a file, loop-mounted, so that it can be full, hang, or take no writes."""

import contextlib
import os
import subprocess
import tempfile

import paths  # noqa: F401
from local import LocalError

from network import run

# Each promotion begins a WAL segment of its own, and those of one number go together: many failovers need room. The file is
# sparse.
SIZE = 3 << 30


def why_not():
    """Why no disk can be made here; empty when one can."""
    if os.geteuid() != 0:
        return "only root can mount a disk"
    with tempfile.TemporaryDirectory(prefix="pgaf-disk-", dir="/var/tmp") as folder:
        disk = Disk(f"{folder}/image", f"{folder}/mount")
        try:
            os.mkdir(disk.mount_point)
            disk.make(8 << 20)
            disk.mount()
            disk.hang()
            return ""
        except (LocalError, OSError) as wrong:
            return f"this machine mounts no disk of the test's own: {wrong}"
        finally:
            disk.remove()


def thaw(mount_point):
    """A disk that does not hang is no error."""
    subprocess.run(["fsfreeze", "--unfreeze", str(mount_point)], stderr=subprocess.DEVNULL, check=False)


class Disk:
    def __init__(self, image, mount_point):
        self.image, self.mount_point = str(image), str(mount_point)
        self.filler = os.path.join(self.mount_point, "filler")
        self.state = "well"

    def make(self, size=SIZE):
        with open(self.image, "wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)

    def mount(self):
        run("mount", "-o", "loop", self.image, self.mount_point)

    def own(self, account):
        os.chown(self.mount_point, account.uid, account.gid)
        os.chmod(self.mount_point, 0o700)

    def unmount(self):
        thaw(self.mount_point)
        run("umount", self.mount_point)

    def remove(self):
        """Also while somebody still holds a file there, and when nothing is mounted."""
        thaw(self.mount_point)
        subprocess.run(["umount", "--lazy", self.mount_point], stderr=subprocess.DEVNULL, check=False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.image)

    # ---- faults ---------------------------------------------------------------------------------------------------

    def fill(self, leave=0):
        """Takes all the room that is left, or leaves so many bytes."""
        self.state = "full"
        with open(self.filler, "ab", buffering=0) as out:
            with contextlib.suppress(OSError):
                room = os.statvfs(self.mount_point)
                os.posix_fallocate(out.fileno(), 0, max(1, room.f_bavail * room.f_frsize - (1 << 20)))
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while out.write(b"\0" * size) == size:
                        pass
            if leave:
                out.truncate(max(0, out.tell() - leave))

    def hang(self):
        """Writes and fsyncs have no end; reads go on, as far as they change no time stamp."""
        self.state = "hung"
        run("fsfreeze", "--freeze", self.mount_point)

    def refuse_writes(self):
        """As after an error of the device: ext4 gives up its journal and takes no write any more. A plain remount is
        refused as long as a server has files open for writing."""
        self.state = "read-only"
        # The mount itself may say no after it has done it.
        subprocess.run(["mount", "-o", "remount,abort", self.mount_point], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            with open(self.filler, "wb") as out:
                out.write(b"x")
                out.flush()
                os.fsync(out.fileno())
            raise LocalError(f"{self.mount_point} still takes writes after its journal was given up")

    def mend(self):
        """A disk that refused writes has to be repaired first: nobody may be using it then."""
        if self.state == "full":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.filler)
        elif self.state == "hung":
            thaw(self.mount_point)
        elif self.state == "read-only":
            run("umount", self.mount_point)
            done = subprocess.run(["e2fsck", "-f", "-y", self.image], capture_output=True, text=True, check=False)
            if done.returncode > 1:
                raise LocalError(f"e2fsck {self.image}: {done.stdout} {done.stderr}")
            self.mount()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.filler)
        self.state = "well"
