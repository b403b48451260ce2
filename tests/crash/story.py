"""Histories made by hand, for the judge."""

import attrs

from tests.crash.history import History, Stored
from tests.crash.judge import Case, faults

SECOND = 1_000_000


class Story:
    """A history made by hand: one job "j", servers 1 and 2, an enqueuer 3. Times in seconds."""

    def __init__(self):
        self.notes = []
        self.stored = {"j": Stored("j", "succeeded", 1, 1, 100, result=[1, 1])}
        for life in (1, 2):
            self.note(0, "born", life, role="server")
        self.note(0, "born", 3, role="enqueuer")
        self.ends = {1: 0, 2: 0, 3: 0}

    def note(self, at, kind, life, **facts):
        self.notes.append({"at": int(at * SECOND), "kind": kind, "life": life, **facts})

    def enqueue(self, *jobs, acked=True):
        self.note(0.1, "intent", 3, jobs=list(jobs))
        if acked:
            self.note(0.2, "ack", 3, jobs=list(jobs))

    def claim(self, at, life, fence, *, lease=1.0, version=None):
        began, until = int((at - 0.01) * SECOND), int((at + lease) * SECOND)
        facts = {"job": "j", "fence": fence, "version": version or fence * 2}
        self.note(at, "claim", life, began=began, until=until, **facts)

    def start(self, at, life, fence):
        self.note(at, "start", life, job="j", fence=fence, attempt=fence)

    def end(self, at, life, fence):
        self.note(at, "end", life, job="j", fence=fence, attempt=fence)

    def renew(self, at, life, fence, until):
        facts = {"job": "j", "fence": fence, "began": int(at * SECOND), "verdict": "done"}
        self.note(at, "renewal", life, until=int(until * SECOND), **facts)

    def finish(self, at, life, fence, *, state="succeeded", rescue=False, verdict="done"):
        facts = {"job": "j", "version": fence * 2, "state": state, "rescue": rescue}
        self.note(at - 0.01, "ending", life, **facts)
        self.note(at, "ended", life, began=int((at - 0.01) * SECOND), verdict=verdict, **facts)

    def run(self, at, life, fence, *, length=0.5):
        self.claim(at, life, fence)
        self.start(at + 0.01, life, fence)
        self.end(at + length, life, fence)
        self.finish(at + length + 0.1, life, fence)

    def kill(self, at, life):
        self.note(at, "kill", life)
        self.note(at + 0.01, "dead", life, status=-9)
        del self.ends[life]

    def case(self, **changes):
        for life, status in self.ends.items():
            self.note(100, "dead", life, status=status)
        notes = sorted(self.notes, key=lambda note: note["at"])
        return attrs.evolve(Case(History(notes), self.stored), **changes)

    def broken(self, **changes):
        return {rule for rule, _ in faults(self.case(**changes))}
