"""The parts of the proof: what each promises, and how it is tried for a while."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
from hypothesis import Phase, settings

from ...storage.connect import connect
from ...storage.storage import Storage
from ...storage.urls import Config
from ...values.clock import ManualClock
from ...values.config import MemoryConfig
from ..contract import CHECKS, run_check
from ..interleaving import check_interleavings
from ..machine import StorageMachine, usual_settings
from ..namespaces import emptied
from ..simulation import lives
from ..wrapping import WrappedDriver
from . import kills

T = TypeVar("T")

EXAMPLES, STEPS = 5, 50
"""Of Hypothesis, between two looks at the clock."""

PAIRS = 10
"""Of operations, likewise."""


@attrs.define
class Stage:
    """Where a part of the proof is played: a store ``place`` of its own, empty; until the moment
    ``until`` (of ``time.monotonic``); a ``folder`` for notes; ``tell`` says how far it is."""

    place: Config
    until: float
    folder: Path
    tell: Callable[[str], None]
    counts: Counter[str] = attrs.field(factory=Counter)

    def left(self) -> float:
        """Seconds until the end."""
        return self.until - time.monotonic()

    def fresh(self, clock: ManualClock) -> Storage:
        """The store, emptied, by a clock that is turned by hand. Its driver's calls are counted."""
        storage = emptied(connect(self.place, clock=clock))
        storage.driver = _Counted(storage.driver, self.counts)
        return storage

    def tried(self) -> str:
        """What was tried so far."""
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items())

    def go_on(self) -> bool:
        """Whether there is time for more; says how far it is."""
        self.tell(self.tried())
        return self.left() > 0


class _Counted(WrappedDriver):
    def __init__(self, driver: Any, counts: Counter[str]) -> None:
        super().__init__(driver)
        self._counts = counts

    def around(self, verb: str, order: Any, call: Callable[[], T]) -> T:
        self._counts["driver calls"] += 1
        return call()


@attrs.frozen
class Part:
    """One part: its ``name``, what it ``shows``, its ``share`` of the time, and how it is run."""

    name: str
    shows: str
    share: float
    run: Callable[[Stage], None]
    fits: Callable[[Config], bool] = lambda config: True


def check_contract(stage: Stage) -> None:
    """Every check once, whatever the time."""
    stage.counts["checks"] = 0
    for check in CHECKS:
        run_check(check, stage.fresh)
        stage.counts["checks"] += 1
        stage.go_on()


def run_machine(stage: Stage) -> None:
    """Sequences of operations against the oracle."""
    stage.counts["sequences"] = 0
    while not stage.counts["sequences"] or stage.go_on():
        StorageMachine.run(stage.fresh, settings=_some())
        stage.counts["sequences"] += EXAMPLES


def run_simulation(stage: Stage) -> None:
    """Servers that fail at any driver call."""
    stage.counts["lives"], seed = 0, secrets.randbits(32)
    while not stage.counts["lives"] or stage.go_on():
        tally = lives(stage.fresh, seconds=min(1.0, max(0.1, stage.left())), seed=seed, servers=3)
        seed += tally.examples
        stage.counts["lives"] += tally.examples
        stage.counts["claims"] += tally.claims
        stage.counts["mishaps"] += tally.mishaps.total()


def run_interleavings(stage: Stage) -> None:
    """Operations at the same moment."""
    stage.counts["pairs"] = 0
    while not stage.counts["pairs"] or stage.go_on():
        seed = time.monotonic_ns()
        tally = check_interleavings(stage.fresh, pairs=PAIRS, triples=PAIRS, seed=seed)
        stage.counts["pairs"] += tally.pairs
        stage.counts["triples"] += tally.triples
        stage.counts["schedules"] += tally.schedules


def run_kills(stage: Stage) -> None:
    """Processes that are killed."""
    kills.run(stage.place, stage.folder, stage.left(), stage.counts, stage.go_on)


def _some() -> settings:
    return usual_settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        database=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )


PARTS = (
    Part("contract", "each operation does what its page says", 0.0, check_contract),
    Part("rules", "any sequence of operations does what the oracle does", 0.25, run_machine),
    Part("servers", "laws hold while servers die, sleep and lose replies", 0.25, run_simulation),
    Part("schedules", "operations at one moment have one order", 0.2, run_interleavings),
    Part(
        "kills",
        "killed processes lose and double nothing: some order explains all answers",
        0.3,
        run_kills,
        lambda config: not isinstance(config, MemoryConfig),
    ),
)
"""In the order in which they are run."""
