"""The notes of a run, sorted by whom they are about."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from .ledger import Note

NEVER = 2**62
"""A time after every other."""

STALL = 150_000
"""Microseconds without a pulse, or in one call of the store, after which a process counts as having
stood still. Only that, or a kill, excuses a lease that lapsed."""


@attrs.frozen
class Stored:
    """A job as the store had it at the end."""

    id: str
    state: str
    fence: int
    attempt: int
    max_attempts: int
    result: Any = None
    exception: str = ""


@attrs.define
class Claim:
    """One claim of a job: called at ``began``, returned at ``at``, leased until ``until``."""

    job: str
    fence: int
    version: int
    life: int
    began: int
    at: int
    until: int
    renewed: int = 0
    renewals: list[Note] = attrs.field(factory=list)
    endings: list[Note] = attrs.field(factory=list)
    ended: list[Note] = attrs.field(factory=list)

    def ended_by_holder(self, moment: int) -> bool:
        """Whether its holder sent an end by ``moment``, which was accepted or never answered."""
        answers = [note["verdict"] for note in self.ended if not note["rescue"]]
        sent = any(not note["rescue"] and note["at"] <= moment for note in self.endings)
        return sent and (not answers or "done" in answers)


@attrs.define
class Run:
    """One execution of a job's task; ``ended`` is None when no end was written."""

    job: str
    fence: int
    life: int
    started: int
    ended: int | None = None


@attrs.define
class Life:
    """One process. Times are None while they have not come."""

    role: str = ""
    killed: int | None = None
    dead: int | None = None
    status: int | None = None
    pulse: int | None = None
    stalls: list[tuple[int, int]] = attrs.field(factory=list)


class History:
    """Claims and runs by job in the order of their fences, lives, and what was enqueued."""

    def __init__(self, notes: Iterable[Note]) -> None:
        self.claims: dict[str, list[Claim]] = defaultdict(list)
        self.runs: dict[str, list[Run]] = defaultdict(list)
        self.lives: dict[int, Life] = defaultdict(Life)
        self.intents: list[list[str]] = []
        self.acks: list[list[str]] = []
        self._later: list[Note] = []
        readers: dict[str, Callable[[Note], None]] = {
            "born": self._born,
            "kill": self._kill,
            "dead": self._dead,
            "pulse": self._pulse,
            "stall": self._stall,
            "intent": self._intent,
            "ack": self._ack,
            "claim": self._claim,
            "start": self._start,
        }
        for note in notes:
            readers.get(note["kind"], self._later.append)(note)
        self._sort()
        self._attach()

    # -- one method per kind of note, in the order of time -------------------------------------

    def _born(self, note: Note) -> None:
        self.lives[note["life"]].role = note["role"]

    def _kill(self, note: Note) -> None:
        self._pulse(note)
        self.lives[note["life"]].killed = note["at"]

    def _dead(self, note: Note) -> None:
        life = self.lives[note["life"]]
        life.dead, life.status = note["at"], note["status"]

    def _pulse(self, note: Note) -> None:
        life = self.lives[note["life"]]
        if life.pulse is not None and note["at"] - life.pulse > STALL:
            life.stalls.append((life.pulse, note["at"]))
        life.pulse = note["at"]

    def _stall(self, note: Note) -> None:
        self.lives[note["life"]].stalls.append((note["since"], note["at"]))

    def _intent(self, note: Note) -> None:
        self.intents.append(note["jobs"])

    def _ack(self, note: Note) -> None:
        self.acks.append(note["jobs"])

    def _claim(self, note: Note) -> None:
        facts = {k: v for k, v in note.items() if k != "kind"}
        self.claims[note["job"]].append(Claim(**facts, renewed=note["began"]))

    def _start(self, note: Note) -> None:
        run = Run(note["job"], note["fence"], note["life"], note["at"])
        self.runs[note["job"]].append(run)

    # -- what needs the claims and runs first --------------------------------------------------

    def _sort(self) -> None:
        for claims in self.claims.values():
            claims.sort(key=lambda claim: (claim.fence, claim.at))
        for runs in self.runs.values():
            runs.sort(key=lambda run: (run.fence, run.started))

    def _attach(self) -> None:
        by_fence = {(c.job, c.fence): c for cs in self.claims.values() for c in cs}
        by_version = {(c.job, c.version): c for cs in self.claims.values() for c in cs}
        runs = {(r.job, r.fence, r.life): r for rs in self.runs.values() for r in rs}
        for note in self._later:
            kind = note["kind"]
            if kind == "end":
                runs[note["job"], note["fence"], note["life"]].ended = note["at"]
            elif kind == "renewal":
                self._renewal(note, by_fence.get((note["job"], note["fence"])))
            else:
                claim = by_version.get((note["job"], note["version"]))
                if claim is not None:
                    (claim.endings if kind == "ending" else claim.ended).append(note)

    def _renewal(self, note: Note, claim: Claim | None) -> None:
        if claim is None or note["verdict"] != "done":
            return
        claim.renewals.append(note)
        if note["until"] > claim.until:
            claim.until, claim.renewed = note["until"], note["began"]

    # -- questions -----------------------------------------------------------------------------

    def killed_by(self, life: int, moment: int) -> bool:
        """Whether the process was sent its kill before ``moment``."""
        killed = self.lives[life].killed
        return killed is not None and killed <= moment

    def stalled(self, claim: Claim) -> bool:
        """Whether the claim's process stood still between its last renewal and the lapse."""
        return any(
            since <= claim.until and until >= claim.renewed
            for since, until in self.lives[claim.life].stalls
        )
