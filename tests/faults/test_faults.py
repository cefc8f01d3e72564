#!/usr/bin/python3
"""The short run of the faults suite: the nemeses that matter most one by one, then a mix. test_faults.py [NAME ...] runs
these nemeses instead; --list says which there are."""

import random
import sys

import harms  # noqa: F401
from nemesis import ALL, inject
from run import run
from world import Failed

SEED = 1
NAMES = ["kill_node"]


def one_by_one(world, names):
    """Each on a healthy cluster, with what must hold meanwhile; the checker after each."""
    world.alone = True
    for name in names:
        defect = ALL[name].defect
        try:
            inject(world, name, random.Random(f"{world.seed} {name}"))
        except Failed as wrong:
            if not defect:
                raise
            world.say(f"{name}: fails as expected ({defect}): {wrong}")
            world.notes.append(f"expected to fail: {name}: {defect}")
        else:
            if defect:
                raise Failed(f"{name} was expected to fail and does not: take its mark away")
        world.heal()
        world.settle()
        world.check()


def main(words):
    if "--list" in words:
        for each in ALL.values():
            print(f"{each.name:32} {each.does}" + (f" (expected to fail: {each.defect})" if each.defect else ""))
        return 0
    unknown = [word for word in words if word not in ALL]
    if unknown:
        print(f"there is no nemesis {', '.join(unknown)}; test_faults.py --list says which there are", file=sys.stderr)
        return 2
    return run(SEED, 3, False, lambda world: one_by_one(world, words or NAMES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
