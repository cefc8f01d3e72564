"""What a nemesis is: a harm with a name that is done to a healthy cluster, lasts a while and ends; and how one is run.

A nemesis is a function of (world, chance): `chance` is a random.Random of its own, so that the same seed does the same
harm. It ends its harm itself also when it fails half-way. When `world.alone` is true nothing else is going wrong at the
same time, and it may say what must hold meanwhile (writes go on, another node takes over).
"""

import contextlib
import dataclasses
import subprocess
import time

import paths  # noqa: F401
from local import LocalError

import staleness

ALL = {}


@dataclasses.dataclass
class Nemesis:
    name: str
    does: str
    run: object
    # Why it is expected to fail when it is alone; empty: it is not. In a mix it asks for nothing but health afterwards.
    defect: str = ""
    # How often it comes in a random mix.
    weight: int = 2
    # How old reads from a replaced server may be while it does its harm, in seconds (staleness.py).
    stale: float = staleness.TIGHT


def nemesis(name, does, defect="", weight=2, stale=staleness.TIGHT):
    def register(function):
        ALL[name] = Nemesis(name, does, function, defect, weight, stale)
        return function

    return register


@contextlib.contextmanager
def ends(*actions):
    """Runs these afterwards, whatever happens, all of them."""
    with contextlib.ExitStack() as stack:
        for action in reversed(actions):
            stack.callback(action)
        yield


def inject(world, name, chance):
    """One nemesis from beginning to end, without waiting for the cluster to be well again."""
    world.injected[name] += 1
    world.say(f"{name}: begins")
    began = time.monotonic()
    try:
        ALL[name].run(world, chance)
    except (LocalError, subprocess.TimeoutExpired) as wrong:
        # What it wanted to hurt is not there, for example when another harm was first.
        if world.alone:
            raise
        world.took_place(name, False, wrong)
    finally:
        world.harms.append((name, began, time.monotonic()))
        if ALL[name].stale > staleness.TIGHT:
            world.slacks.append((began, time.monotonic() + staleness.AFTER, ALL[name].stale))
        world.say(f"{name}: over after {time.monotonic() - began:.1f} s")
