"""The loads from the clients' namespace, and the checker that holds the servers to what they were told."""

import paths  # noqa: F401
from local import Load


class Workload(Load):
    """Rows that are inserted once (the set)."""

    def __init__(self, world):
        super().__init__(world.cluster, world.folder / "load.log", writers=4, rate=25)

    def check(self, nodes=None, since=None, until=None, limit=120):
        self.stop()
        try:
            return super().check(nodes, since, until, limit)
        finally:
            self.start()
