"""Power losses in figures, and the verdict on them in words."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .disk import Image
from .promises import Call
from .trace import Synced, Wrote
from .trial import Loss, Trial

SHOWN = 10
"""Faults that are printed."""


class Lost(NamedTuple):
    """What one power loss took back of what had been answered."""

    claims: int  # and renewals, which are no promise
    calls: int  # the others that had changed something
    jobs: int  # that these had stored
    seconds: float  # since the first of all these was answered


class Tally:
    """What was tried, and what was found."""

    def __init__(self) -> None:
        self.runs = 0
        self.losses = 0
        self.unsynced = 0
        self.done: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.moments: set[tuple[int, int]] = set()
        self.faults: list[str] = []
        self.evidence: Image = {}  # the files with the faults
        self.lost: list[Lost] = []

    def note_run(self, trial: Trial) -> None:
        """Another run was recorded."""
        self.runs += 1
        acts = Counter(type(event.what) for event in trial.events)
        calls = [call for call in trial.ledger.calls if call.commits is not None]
        self.done["runs"] += 1
        self.done["  on what a power loss left"] += trial.life is not None
        self.done["events recorded"] += len(trial.events)
        self.done["  writes"] += acts[Wrote]
        self.done["  syncs"] += acts[Synced]
        self.done["commits"] += len(trial.commits)
        self.done["calls answered that changed something"] += len(calls)
        self.done["  jobs stored by them"] += sum(map(_stored, calls))

    def note(self, trial: Trial, loss: Loss) -> None:
        """Another power loss in the latest run."""
        self.losses += 1
        self.moments.add((self.runs, loss.moment))
        self.unsynced += bool(loss.fates)
        self.fates.update(sorted({f"    {fate}" for fate in loss.fates}))
        self.faults += [f"run {self.runs}, event {loss.moment}: {fault}" for fault in loss.faults]
        promised = [call for call in loss.calls if call.answered.flushed]
        claims = len(loss.calls) - len(promised)
        self.lost.append(Lost(claims, len(promised), sum(map(_stored, promised)), loss.seconds))


def _stored(call: Call) -> int:
    return len(call.answered.jobs) if call.called.verb == "enqueue" else 0


def report(tally: Tally) -> str:
    """The figures, so that a verdict on too little is seen as such; then the verdict."""
    figures: dict[str, object] = {
        **tally.done,
        "power losses": tally.losses,
        "  different moments": len(tally.moments),
        "  with something not synced": tally.unsynced,
        **dict(sorted(tally.fates.items())),
        "lost, of what was answered": "",
        "  claims and renewals, which are no promise": _spread(
            [lost.claims for lost in tally.lost]
        ),
        "  acknowledged calls": _spread([lost.calls for lost in tally.lost]),
        "  acknowledged jobs": _spread([lost.jobs for lost in tally.lost]),
        "  the last seconds": _spread([lost.seconds for lost in tally.lost]),
    }
    lines = [f"  {name:<46} {value}".rstrip() for name, value in figures.items()]
    return "\n".join([*lines, _verdict(tally)])


def _spread(values: Sequence[float]) -> str:
    some = [value for value in values if value]
    if not some:
        return "none"
    middle, most = (f"{value:.3g}" for value in (statistics.median(some), max(some)))
    return f"by {len(some)} power losses; p50 of these {middle}, max {most}"


def _verdict(tally: Tally) -> str:
    """By the rule of three, 3/n bounds the rate of an event not seen in n independent tries, at
    95 % confidence."""
    if not tally.faults:
        return (
            f"PASSED: no fault in {tally.losses} power losses; by the rule of three, with 95 % "
            f"confidence, less than 1 in {max(1, tally.losses // 3)} does harm"
        )
    shown = [f"  {fault}" for fault in tally.faults[:SHOWN]]
    return "\n".join([f"REJECTED: {len(tally.faults)} faults", *shown])
