"""A random mix of nemeses from a seed: one or two at a time, mostly with the cluster well again in between."""

import random
import threading
import time

from nemesis import ALL, inject
from world import Failed

import harms  # noqa: F401

# Between two looks of the checker, in seconds.
CHECK_EVERY = 240
OVERLAP = 0.3
WAIT_BETWEEN = 0.7


def _two(world, first, second, chance):
    """The second one begins while the first one does its harm."""
    troubles = []

    def work(name, seed, delay):
        time.sleep(delay)
        try:
            inject(world, name, random.Random(seed))
        except Exception as wrong:  # whatever it is, the run has to hear of it
            troubles.append(wrong)

    threads = [threading.Thread(target=work, args=(name, chance.random(), delay))
               for name, delay in ((first, 0), (second, chance.uniform(0, 4)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]


def mixed(world, seconds):
    """Raises Failed when the cluster does not stand it."""
    chance = world.random
    usable = list(ALL.values())
    end = time.monotonic() + seconds
    checked = time.monotonic()
    while time.monotonic() < end:
        world.alone = False
        first, second = chance.choices(usable, [each.weight for each in usable], k=2)
        if chance.random() < OVERLAP:
            _two(world, first.name, second.name, chance)
        else:
            inject(world, first.name, random.Random(chance.random()))
        if chance.random() > WAIT_BETWEEN:
            time.sleep(chance.uniform(0, 3))
            continue
        world.heal()
        world.settle()
        if time.monotonic() - checked > CHECK_EVERY:
            world.check()
            checked = time.monotonic()
    world.heal()
    world.settle()
    if not world.check()["acknowledged"]:
        raise Failed("no row was acknowledged")
