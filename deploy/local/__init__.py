"""Clusters on this machine: a monitor and nodes on 127.0.0.1, for the demo, the live tests and the benchmark.

Standard library only. Every process is known by a pid file that also holds its start time, so no signal ever reaches a
process that this package has not started.
"""

from .cluster import Cluster
from .errors import LocalError
from .load import Load

__all__ = ["Cluster", "Load", "LocalError"]
