"""The notes of a run, sorted by whom they are about."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import attrs

from .ledger import Note

NEVER = 2**62
"""A time after every other."""

STALL = 150_000
"""Microseconds without a pulse, or in one call of the store, after which a process counts as having
stood still. Only that, or a kill, excuses a lease that lapsed."""


ANSWERS = ("claim", "renewal", "ended", "ack", "refusal")
"""Kinds of notes that a process writes when the store answered it."""


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
        answers = {(note["life"], note["began"]): note["verdict"] for note in self.ended}
        return any(
            not note["rescue"]
            and note["at"] <= moment
            and answers.get((note["life"], note["began"]), "done") == "done"
            for note in self.endings
        )


@attrs.define
class Run:
    """One execution of a job's task; ``ended`` is None when no end was written."""

    job: str
    fence: int
    life: int
    started: int
    ended: int | None = None


@attrs.define
class Call:
    """One enqueue of ``jobs`` in a single call, and what its client knows of it.

    ``answer``: "ack" (they are stored), "refusal" (they are not, or were before), "unknown" (the
    store did not say), None (the client was killed meanwhile). ``again``: after an unknown call
    with the same jobs. ``taken``: the id of a stored job that was given beside them.
    """

    jobs: list[str]
    again: bool = False
    taken: str | None = None
    answer: str | None = None

    @property
    def stored(self) -> bool:
        """Whether the client knows that its jobs are stored."""
        return self.answer == "ack" or (self.answer == "refusal" and self.again)


@attrs.define
class Life:
    """One process. Times are None while they have not come. ``stalls``: when it stood still, or the
    store did in a call of it; ``gaps``: those without a pulse; ``answers``: when the store
    answered; ``misses``: calls that it did not answer; ``logs``: what was logged."""

    role: str = ""
    born: int = 0
    killed: int | None = None
    dead: int | None = None
    status: int | None = None
    pulse: int | None = None
    stalls: list[tuple[int, int]] = attrs.field(factory=list)
    gaps: list[tuple[int, int]] = attrs.field(factory=list)
    answers: list[int] = attrs.field(factory=list)
    misses: list[Note] = attrs.field(factory=list)
    logs: list[Note] = attrs.field(factory=list)


@attrs.define
class Outage:
    """A time without the server: killed or frozen (``how``) at ``down``, serving at ``up``."""

    how: str
    down: int
    up: int = NEVER


class History:
    """Claims and runs by job in the order of their fences, lives, what was enqueued, outages."""

    def __init__(self, notes: Iterable[Note]) -> None:
        self.claims: dict[str, list[Claim]] = defaultdict(list)
        self.runs: dict[str, list[Run]] = defaultdict(list)
        self.lives: dict[int, Life] = defaultdict(Life)
        self.calls: list[Call] = []
        self.outages: list[Outage] = []
        self._last_call: dict[int, Call] = {}  # by life
        self._later: list[Note] = []
        readers: dict[str, Callable[[Note], None]] = {
            "born": self._born,
            "kill": self._kill,
            "dead": self._dead,
            "pulse": self._pulse,
            "stall": self._stall,
            "miss": self._miss,
            "log": lambda note: self.lives[note["life"]].logs.append(note),
            "down": lambda note: self.outages.append(Outage(note["how"], note["at"])),
            "up": self._up,
            "intent": self._intent,
            **dict.fromkeys(("ack", "unknown", "refusal"), self._answer),
            "claim": self._claim,
            "start": self._start,
        }
        for note in notes:
            if note["kind"] in ANSWERS:
                self.lives[note["life"]].answers.append(note["at"])
            readers.get(note["kind"], self._later.append)(note)
        self._sort()
        self._attach()

    # -- one method per kind of note, in the order of time -------------------------------------

    def _born(self, note: Note) -> None:
        life = self.lives[note["life"]]
        life.role, life.born = note["role"], note["at"]

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
            life.gaps.append((life.pulse, note["at"]))
        life.pulse = note["at"]

    def _stall(self, note: Note) -> None:
        self.lives[note["life"]].stalls.append((note["since"], note["at"]))

    def _miss(self, note: Note) -> None:
        """Whatever the call was to do, a renewal say, the process did not get it done."""
        self._stall(note)
        self.lives[note["life"]].misses.append(note)

    def _up(self, note: Note) -> None:
        self.outages[-1].up = note["at"]

    def _intent(self, note: Note) -> None:
        call = Call(note["jobs"], note["again"], note["taken"])
        self._last_call[note["life"]] = call
        self.calls.append(call)

    def _answer(self, note: Note) -> None:
        self._last_call[note["life"]].answer = note["kind"]

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
            elif kind == "burial":
                self._burial(note, by_fence.get((note["job"], note["fence"])))
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

    def _burial(self, note: Note, claim: Claim | None) -> None:
        """Another process took the claim's for dead. That ends the lease only if it had been
        killed: one that stands still is not dead."""
        if claim is not None and self.killed_by(claim.life, note["at"]):
            claim.until = min(claim.until, note["at"])

    # -- questions -----------------------------------------------------------------------------

    def killed_by(self, life: int, moment: int) -> bool:
        """Whether the process was sent its kill before ``moment``."""
        killed = self.lives[life].killed
        return killed is not None and killed <= moment

    def stalled(self, claim: Claim) -> bool:
        """Whether the claim's process stood still, or the store did, between its last renewal and
        the lapse."""
        return any(
            since <= claim.until and until >= claim.renewed
            for since, until in self.lives[claim.life].stalls
        )

    def away(self, since: int, until: int, grace: int) -> bool:
        """Whether the server was away at some time in between, or had come back less than
        ``grace`` before."""
        return any(out.down <= until and out.up + grace >= since for out in self.outages)

    def may_fail(self, life: Life, since: int, until: int, grace: int, still: int) -> bool:
        """Whether a call in between may have failed: the server was away, or the process stood for
        ``still`` of the time, so that its patience was at an end when it went on."""
        stood = sum(common((since, until), gap) for gap in life.gaps)
        return stood >= still or self.away(since, until, grace)

    def windows(self) -> list[tuple[int, int]]:
        """The times between outages."""
        ups = [-NEVER, *(outage.up for outage in self.outages)]
        return list(zip(ups, [*(outage.down for outage in self.outages), NEVER], strict=True))

    def deaf(self) -> set[int]:
        """The lives that have had no answer since the last outage."""
        since = self.windows()[-1][0]
        return {
            number
            for number, life in self.lives.items()
            if not life.answers or life.answers[-1] <= since
        }


def common(*times: tuple[int, int]) -> int:
    """How long all these times are at once."""
    return max(0, min(end for _, end in times) - max(begin for begin, _ in times))
