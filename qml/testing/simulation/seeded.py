"""The same simulation decided by seeds: many lives in little time, each found again by its number.

Hypothesis looks for what is rare and shortens what it finds; a seed does neither, and is ten times
as fast.
"""

import itertools
import random
import time

from ...values.errors import ConfigurationError
from ..making import MakeStorage, whole
from ..quiet import quiet
from .findings import findings
from .settling import settle
from .tally import Tally
from .world import World

STEPS = 40


def live(make_storage: MakeStorage, seed: int, *, servers: int = 2, tally: Tally) -> None:
    """One life: forty steps, then the end. AssertionError with its story."""
    world = World(make_storage, servers, tally, random.Random(seed))
    try:
        with quiet(), findings(world):
            for _ in range(STEPS):
                world.take_any()
                world.store.check_indexes()
            settle(world)
    finally:
        world.storage.close()
    tally.examples += 1


def lives(make_storage: MakeStorage, *, seconds: float, seed: int = 1, servers: int = 2) -> Tally:
    """Lives from ``seed`` on for about so many seconds, one at least. What is found is an
    AssertionError that names the seed and tells the story."""
    tally = Tally()
    whole("seed", seed)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ConfigurationError(f"seconds is {seconds!r}; give a number, 0 or more")
    until = time.monotonic() + seconds
    for number in itertools.count(seed):
        try:
            live(make_storage, number, servers=servers, tally=tally)
        except Exception as error:
            error.add_note(f"seed {number}, {servers} servers")
            raise
        if time.monotonic() >= until:
            break
    return tally
