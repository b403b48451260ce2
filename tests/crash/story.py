"""Histories made by hand, for the judge."""

import attrs

from tests.crash.case import Case, Stored
from tests.crash.history import History
from tests.crash.judge import faults

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
        self.end_at = 9

    def note(self, at, kind, life, **facts):
        self.notes.append({"at": int(at * SECOND), "kind": kind, "life": life, **facts})

    def enqueue(self, *jobs, answer="ack", again=False, taken=None):
        self.note(0.1, "intent", 3, jobs=list(jobs), again=again, taken=taken)
        if answer:
            self.note(0.1, answer, 3)

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

    def bury(self, at, life, fence):
        self.note(at, "burial", life, job="j", fence=fence)

    def finish(self, at, life, fence, *, state="succeeded", rescue=False, verdict="done"):
        facts = {"job": "j", "version": fence * 2, "state": state, "rescue": rescue}
        facts["began"] = int((at - 0.01) * SECOND)
        self.note(at - 0.01, "ending", life, **facts)
        if verdict:
            self.note(at, "ended", life, verdict=verdict, **facts)

    def run(self, at, life, fence, *, length=0.5):
        self.claim(at, life, fence)
        self.start(at + 0.01, life, fence)
        self.end(at + length, life, fence)
        self.finish(at + length + 0.1, life, fence)

    def kill(self, at, life):
        self.note(at, "kill", life)
        self.note(at + 0.01, "dead", life, status=-9)
        del self.ends[life]

    def miss(self, since, until, life, verb="claim"):
        facts = {"verb": verb, "error": "the server does not answer"}
        self.note(until, "miss", life, since=int(since * SECOND), **facts)

    def outage(self, down, up, how="kill"):
        self.note(down, "down", 0, how=how)
        self.note(up, "up", 0)

    def case(self, **changes):
        for life, status in self.ends.items():
            self.note(self.end_at, "dead", life, status=status)
        notes = sorted(self.notes, key=lambda note: note["at"])
        return attrs.evolve(Case(History(notes), self.stored), **changes)

    def broken(self, **changes):
        return {rule for rule, _ in faults(self.case(**changes))}


def succeeded(life, fence):
    """What the store holds once this claim of the job has succeeded."""
    return {"j": Stored("j", "succeeded", fence, fence, 100, result=[life, fence])}
