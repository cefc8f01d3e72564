#!/usr/bin/python3
"""Outlives a test that is killed, and clears away what it leaves: guard.py FOLDER, with a pipe from the test as its stdin.

When the pipe ends without a word, every process that works in the folder is killed and the folder removed. The folder's
name is a random one, so nothing else can be meant by it. The word `keep` lets the folder stay (for its logs).
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

LIMIT = 15


def at_work_in(folder):
    """Pids of the processes that name the folder in their command line or stand in it."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            # PostgreSQL's children have other command lines, but the data folder as their place.
            if pid != os.getpid() and (folder in words or f"{process.joinpath('cwd').readlink()}/".startswith(folder + "/")):
                found.append(pid)
    return found


def mounts_below(folder):
    lines = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(folder + "/")]


def clear(folder):
    deadline = time.monotonic() + LIMIT
    while (pids := at_work_in(folder)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    for mount in mounts_below(folder):
        subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def main(folder):
    os.chdir("/")
    if sys.stdin.read().strip() != "keep" and os.path.isdir(folder):
        clear(folder)


if __name__ == "__main__":
    main(sys.argv[1])
