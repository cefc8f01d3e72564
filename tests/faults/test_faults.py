#!/usr/bin/python3
"""The short run of the faults suite: the nemeses that matter most one by one, then a mix. test_faults.py [NAME ...] runs
these nemeses instead; --list says which there are."""

import json
import random
import sys

import harms  # noqa: F401
from mix import mixed
from nemesis import ALL, inject
from run import run
from world import Failed

SEED = 1
# Those that the live tests can't have on 127.0.0.1, and those that found most.
NAMES = ["stale_reads", "cut_monitor", "cut_off_monitor", "cut_standbys", "thaw_at_promotion", "freeze_postmaster",
         "freeze_all_nodes", "new_primary_killed", "large_records", "read_only_disk", "full_primary", "full_tables", "hung_disk",
         "replay_paused", "rule_walsender", "rule_checkpointer", "promoted_standby", "switchover_killed",
         "switchover_frozen_standby"]
MIX_SECONDS = 60


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
                world.notes.append(f"{name} was expected to fail and does not: take its mark away ({defect})")
        world.heal()
        world.settle()
        world.check()


def checker_notices(world):
    """Whoever relies on a checker has to see it fail: a row that is gone, a register that went back, money that is gone."""
    primary = world.primary()
    spoilt = (
        ("a row that is gone",
         "DELETE FROM pgaf_load_rows WHERE ctid = (SELECT max(ctid) FROM pgaf_load_rows WHERE n = 1) "
         "RETURNING format('INSERT INTO pgaf_load_rows VALUES (%L, %s, %s)', run, writer, n)",
         lambda report: report["lost"]),
        # By more than what may be there unknown to anybody: a request without an answer.
        ("a register that went back",
         "UPDATE pgaf_load_registers SET v = v - 1000 WHERE k = (SELECT k FROM pgaf_load_registers ORDER BY v DESC LIMIT 1) "
         "RETURNING format('UPDATE pgaf_load_registers SET v = v + 1000 WHERE k = %s', k)",
         lambda report: on_servers(report, "register ")),
        ("money that is gone",
         "UPDATE pgaf_load_accounts SET balance = balance - 1 WHERE id = 1 "
         "RETURNING 'UPDATE pgaf_load_accounts SET balance = balance + 1 WHERE id = 1'",
         lambda report: on_servers(report, "the sum of all accounts ")),
    )
    for what, statement, noticed in spoilt:
        # Not under way: the loads would write down what they see of it, and never forget it.
        world.load.stop()
        mend = primary.sql(statement)
        report = world.load.look()
        primary.sql(mend)
        world.load.start()
        if report["ok"] or not noticed(report):
            raise Failed(f"the checker did not notice {what}: {json.dumps(report, indent=2)}")
        world.say(f"the checker notices {what}")
    world.check()


def on_servers(report, words):
    """Whether the checker of values says this of each server."""
    servers = report["values"]["servers"]
    return bool(servers) and all(any(wrong.startswith(words) for wrong in server["wrong"]) for server in servers)


def short(world):
    world.alone = True
    checker_notices(world)
    one_by_one(world, NAMES)
    world.say(f"a mix of {MIX_SECONDS} s")
    mixed(world, MIX_SECONDS)


def main(words):
    if "--list" in words:
        for each in ALL.values():
            print(f"{each.name:32} {each.does}" + (f" (expected to fail: {each.defect})" if each.defect else ""))
        return 0
    unknown = [word for word in words if word not in ALL]
    if unknown:
        print(f"there is no nemesis {', '.join(unknown)}; test_faults.py --list says which there are", file=sys.stderr)
        return 2
    return run(SEED, 3, False, lambda world: one_by_one(world, words) if words else short(world))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
