"""A run from beginning to end: the world is made, harm is done to it, the verdict printed, everything cleared away."""

import sys

import paths  # noqa: F401
from local import LocalError

import disks
import network
from world import Failed, World

# What ctest takes for a test that could not run here (SKIP_RETURN_CODE).
SKIPPED = 77


def run(seed, nodes, keep, harm):
    """`harm` is called with the world. The program's exit code."""
    reason = network.why_not() or disks.why_not()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    world = World(seed, nodes)
    print(f"seed {seed}, logs in {world.folder}", flush=True)
    failed = True
    try:
        world.make()
        harm(world)
        failed = False
    except (Failed, LocalError) as wrong:
        world.say(f"FAILED: {wrong}")
    finally:
        print(world.verdict(), flush=True)
        world.end(keep or failed)
        if keep or failed:
            print(f"seed {seed}; logs are kept in {world.folder}", flush=True)
    sys.stdout.flush()
    return 1 if failed else 0
