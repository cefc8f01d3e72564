"""Cables that are cut, in one direction or both, that lose packets, or are slow."""

import time

from harm_processes import any_node, any_time
from nemesis import ends, nemesis
from staleness import TIGHT
from world import Failed


def others(world, node):
    return [each for each in world.cluster.nodes if each is not node]


def names(nodes):
    return [node.name for node in nodes]


def apart(world, pairs, seconds):
    """No packet gets from the first to the second of each pair for so long."""
    pairs = list(pairs)
    with ends(lambda: [world.network.lose(one, other, 0) for one, other in pairs]):
        for one, other in pairs:
            world.network.lose(one, other, 100)
        world.pause(seconds)


def both_ways(pairs):
    return [way for one, other in pairs for way in ((one, other), (other, one))]


@nemesis("cut_monitor", "the primary and the monitor can't reach each other; the standbys see both", weight=3)
def cut_monitor(world, chance):
    primary = world.primary()
    pairs = both_ways([(primary.name, "monitor")])
    if not world.alone:
        return apart(world, pairs, any_time(chance))
    epoch = world.epoch()
    with ends(world.network.mend_all):
        for pair in pairs:
            world.network.lose(*pair, 100)
        world.pause(8)
        world.wait_acknowledged(60, "with the primary cut off from the monitor")
        if world.epoch() != epoch:
            world.say(f"epoch {epoch} -> {world.epoch()}, though the standbys saw the primary")
    return None


@nemesis("cut_monitor_one_way", "the monitor does not hear the primary, or the primary not the monitor")
def cut_monitor_one_way(world, chance):
    pair = chance.sample([world.primary().name, "monitor"], 2)
    apart(world, [pair], chance.uniform(4, 9))
    if world.alone:
        world.wait_acknowledged(60, "after one direction between primary and monitor was cut")


@nemesis("cut_standbys", "primary and standbys can't reach each other, all reach the monitor: writes must go on", weight=3)
def cut_standbys(world, chance):
    primary = world.primary()
    pairs = both_ways((primary.name, name) for name in names(others(world, primary)))
    if not world.alone:
        return apart(world, pairs, any_time(chance))
    with ends(world.network.mend_all):
        for pair in pairs:
            world.network.lose(*pair, 100)
        # What is on its way may still be acknowledged.
        world.pause(2)
        took = world.wait_acknowledged(90, "with the links between primary and standbys cut, and nothing else")
        world.say(f"writes went on {took + 2:.1f} s after the links were cut")
    return None


@nemesis("cut_one_standby", "primary and one standby can't reach each other")
def cut_one_standby(world, chance):
    pair = (world.primary().name, chance.choice(world.standbys()).name)
    apart(world, both_ways([pair]), chance.uniform(4, 9))


@nemesis("cut_standbys_one_way", "nothing gets from the primary to its standbys, or from them to the primary")
def cut_standbys_one_way(world, chance):
    primary = world.primary()
    pairs = [(primary.name, name) for name in names(others(world, primary))]
    if chance.random() < 0.5:
        pairs = [(other, one) for one, other in pairs]
    apart(world, pairs, chance.uniform(4, 9))


@nemesis("cut_off_primary", "the primary reaches nobody but the clients", weight=3)
def cut_off_primary(world, chance):
    primary = world.primary()
    pairs = both_ways((primary.name, name) for name in ["monitor", *names(others(world, primary))])
    if not world.alone:
        return apart(world, pairs, any_time(chance))
    with ends(world.network.mend_all):
        for pair in pairs:
            world.network.lose(*pair, 100)
        world.wait_other_primary(primary)
        world.wait_acknowledged(60, "with the primary cut off")
        # Clients still reach the old primary: what it would acknowledge, the checker sees.
        world.pause(5)
    return None


@nemesis("stale_reads", "the primary reaches nobody but the clients, for long: it must not serve them beyond its lease (R8)",
         weight=1)
def stale_reads(world, chance):
    primary, began = world.primary(), time.monotonic()
    pairs = both_ways((primary.name, name) for name in ["monitor", *names(others(world, primary))])
    if not world.alone:
        return apart(world, pairs, chance.uniform(5, 15))
    with ends(world.network.mend_all):
        for pair in pairs:
            world.network.lose(*pair, 100)
        world.wait_other_primary(primary)
        world.wait_acknowledged(60, "with the primary cut off")
        # Longer than it may go on.
        world.pause(TIGHT + 5)
    world.settle()
    world.check_stale(began)
    return None


@nemesis("cut_off_node", "a node reaches nobody at all")
def cut_off_node(world, chance):
    node = any_node(world, chance)
    everybody = ["monitor", "clients", *names(others(world, node))]
    apart(world, both_ways((node.name, name) for name in everybody), any_time(chance))


@nemesis("cut_off_one_way", "a node hears nobody, or is heard by nobody")
def cut_off_one_way(world, chance):
    node = any_node(world, chance)
    pairs = [(node.name, name) for name in ["monitor", "clients", *names(others(world, node))]]
    if chance.random() < 0.5:
        pairs = [(other, one) for one, other in pairs]
    apart(world, pairs, chance.uniform(4, 9))


@nemesis("cut_off_monitor", "the monitor reaches nobody: no database may stop")
def cut_off_monitor(world, chance):
    pairs = both_ways(("monitor", name) for name in ["clients", *names(world.cluster.nodes)])
    if not world.alone:
        return apart(world, pairs, chance.uniform(4, 12))
    epoch, primary = world.epoch(), world.primary()
    with ends(world.network.mend_all):
        for pair in pairs:
            world.network.lose(*pair, 100)
        world.pause(8)
        world.wait_acknowledged(60, "with the monitor cut off")
        world.network.mend_all()
        world.settle()
        if (world.epoch(), world.primary()) != (epoch, primary):
            raise Failed("a failover followed, though nothing but the monitor was cut off")
    return None


@nemesis("halves", "the network falls into two halves, at random", weight=3)
def halves(world, chance):
    everybody = ["monitor", "clients", *names(world.cluster.nodes)]
    chance.shuffle(everybody)
    at = chance.randrange(1, len(everybody))
    pairs = [(one, other) for one in everybody[:at] for other in everybody[at:]]
    world.say(f"halves: {', '.join(everybody[:at])} | {', '.join(everybody[at:])}")
    apart(world, both_ways(pairs), any_time(chance))


@nemesis("ring", "monitor and nodes stand in a ring, and each sees its neighbours only: a majority, but not the same one")
def ring(world, chance):
    around = ["monitor", *names(world.cluster.nodes)]
    chance.shuffle(around)
    count = len(around)
    pairs = [(around[one], around[other]) for one in range(count) for other in range(one + 1, count)
             if other - one not in (1, count - 1)]
    apart(world, both_ways(pairs), chance.uniform(4, 10))


@nemesis("flapping", "a node's links come and go, faster than any timeout")
def flapping(world, chance):
    node = any_node(world, chance)
    pairs = both_ways((node.name, name) for name in ["monitor", *names(others(world, node))])
    for _ in range(chance.randrange(3, 8)):
        apart(world, pairs, chance.uniform(0.2, 2))
        world.pause(chance.uniform(0.1, 1.5))


@nemesis("loss", "a share of all packets of a node gets lost, at random")
def loss(world, chance):
    node, percent = any_node(world, chance), chance.choice([5, 15, 30])
    pairs = both_ways((node.name, name) for name in ["monitor", "clients", *names(others(world, node))])
    with ends(lambda: [world.network.lose(one, other, 0) for one, other in pairs]):
        for one, other in pairs:
            world.network.lose(one, other, percent)
        world.pause(chance.uniform(5, 12))


@nemesis("narrow", "a node's link lets through little, and queues the rest")
def narrow(world, chance):
    node = any_node(world, chance)
    with ends(lambda: world.network.narrow(node.name, None)):
        world.network.narrow(node.name, chance.choice([32, 128, 512]))
        world.pause(chance.uniform(5, 12))


@nemesis("slow", "every packet of a node arrives later")
def slow(world, chance):
    node = any_node(world, chance)
    with ends(lambda: world.network.delay(node.name, 0)):
        world.network.delay(node.name, chance.choice([30, 100, 300, 800]))
        world.pause(chance.uniform(5, 12))
