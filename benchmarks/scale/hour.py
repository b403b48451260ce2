"""How long a job takes to start on servers that have sat idle for long."""

from collections.abc import Sequence
from typing import NamedTuple

from .. import latency
from ..stores import Store


class Size(NamedTuple):
    """Seconds to sit idle before, and then how many jobs."""

    idle_before: float
    jobs: int


SIZES = {"quick": Size(0.1, 3), "usual": Size(60.0, 150), "long": Size(3_600.0, 150)}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table, and one of servers that have just begun, to compare it with."""
    latency.show(stores, size.jobs, size.idle_before)
    latency.show(stores, size.jobs)
    return True
