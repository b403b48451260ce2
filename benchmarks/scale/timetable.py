"""What claims cost, and an idle server, beside a thousand schedules."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from qml import Qml, connect

from .. import idle, sitting
from ..stores import Store
from ..together.kept_back import plain
from ..together.turns import beside, quartiles


class Size(NamedTuple):
    """How many schedules, how often to claim, and how many seconds to sit idle."""

    schedules: int
    times: int
    seconds: float


SIZES = {"quick": Size(3, 2, 0.1), "usual": Size(1_000, 100, 5.0), "long": Size(1_000, 1_000, 60.0)}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print two tables."""
    title = "Claim and finish of ten jobs"
    print(beside(title, stores, [measure(store, size) for store in stores]), flush=True)
    idle.show(stores, size.schedules, size.seconds)
    return True


def measure(store: Store, size: Size) -> dict[str, float]:
    """Milliseconds without schedules and with them, of stores whose server has declared them."""
    with ExitStack() as opened:
        calls = {}
        for schedules in (0, size.schedules):
            url = opened.enter_context(store.new())
            declare(url, schedules)
            storage = opened.enter_context(connect(url))
            calls[f"beside {schedules:,} schedules"] = partial(plain, storage)
        return quartiles(calls, size.times)


def declare(url: str, schedules: int) -> None:
    """Have a server write them down."""
    with Qml(url) as jobs:
        for number in range(schedules):
            jobs.cron("0 3 29 2 *", name=f"schedule {number}")(
                jobs.task(name="never")(sitting.never)
            )
        jobs.server(threads=1).tick()
        assert len(jobs.schedules.list()) == schedules
