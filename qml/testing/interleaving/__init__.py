"""Schedules of threads: all interleavings of operations on one job, on a storage of any kind.

::

    from qml.testing import check_interleavings

    print(check_interleavings(lambda clock: MyStorage(clock=clock)))
"""

from .checking import Tally, check_interleavings, replay
from .schedules import Schedule
from .situations import SITUATIONS

__all__ = ["SITUATIONS", "Schedule", "Tally", "check_interleavings", "replay"]
