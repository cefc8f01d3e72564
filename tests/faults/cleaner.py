#!/usr/bin/python3
"""Outlives a run that is killed, and clears away what it leaves: cleaner.py FOLDER IDENTITY, with a pipe as its stdin.

When the pipe ends without a word: the processes that work in the folder are killed, its disks unmounted, the network's
namespaces and the folder removed. The word `keep` lets the folder stay, `done` ends this (all is cleared away).
"""

import os
import sys

import paths  # noqa: F401
from guard import clear, mounts_below

import disks
import network


def main(folder, identity):
    os.chdir("/")
    if sys.stdin.read().strip() in ("keep", "done"):
        return
    for mount_point in mounts_below(folder):
        # A process that waits for a disk that hangs can't be killed.
        disks.thaw(mount_point)
    clear(folder)
    network.remove_all(identity)


if __name__ == "__main__":
    main(*sys.argv[1:])
