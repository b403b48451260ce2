"""The process that is killed: it takes the steps of the story until it comes to its point.

Before each it writes down, outside the store, what it means to do, and then what it was told.
"""

from typing import Any

from qml import Job
from qml.storage.urls import Config
from qml.testing import ManualClock
from qml.testing.compare import difference, outcome

from ..ledger import Ledger
from . import instruments
from .point import Points
from .scenario import STEPS
from .story import Expected
from .world import Real, plain


def tell(kind: str, config: Config, expected: list[Expected], ledger: Ledger, last: int) -> None:
    """Tell the story up to the point ``last``; to its end if there are fewer points."""
    points = Points(ledger, last)
    instruments.watch(kind, points, ledger)
    world = Real(config, ManualClock())
    for step, promised in zip(STEPS, expected, strict=True):
        points.step = step.name
        points.note("intent", step=points.step)
        answer = plain(outcome(step.take, world))
        wrong = difference(promised.answer, answer)
        points.note("ack", claims=claims(answer), wrong=wrong)
        points.at("answered")
    ledger.note("end", points=points.names)


def claims(answer: Any) -> list[tuple[str, int]]:
    """The claims that an answer hands out: of each the job and the fence."""
    jobs = answer if isinstance(answer, list) else [answer]
    return [(j.id, j.fence) for j in jobs if isinstance(j, Job) and j.state.kind == "processing"]
