"""Histories made by hand, for the checker: a few jobs, calls in seconds, replies as told."""

from qml.testing.history.facts import Facts
from qml.testing.history.journal import Call
from qml.testing.history.verdict import judge

EPOCH = 1_900_000_000_000_000
"""The storage's time, in microseconds, when the steady counter shows 0."""

LEASE = 1.0


def micros(seconds):
    return round(seconds * 1e6)


def moment(seconds):
    return EPOCH + micros(seconds)


class Tale:
    """What a reply tells of a job follows from the replies before, unless the test says otherwise:
    the version rises by one, a claim raises attempt and fence. Calls take 0.01 s, the replies'
    times are those of the call. ``answer``: "done", another, or None for no answer at all."""

    def __init__(self):
        self.calls = []
        self.told = {}
        self.number = 0

    def judge(self, **options):
        return judge(self.calls, **{"drained": False, "allowance": 0.2} | options)

    def faults(self, **options):
        return self.judge(**options).faults

    def call(
        self, at, verb, given, told=None, *, answer="done", took=0.01, process="p", ahead=0, also=()
    ):
        """``ahead``: seconds by which the storage's clock as seen by this process is ahead;
        ``also``: what it did besides."""
        self.number += 1
        reply = {"told": told} if answer == "done" else {"error": answer}
        if answer in ("exists", "taken"):
            reply["job"] = told
        if also:
            reply["also"] = also
        ended, late = micros(at + took), moment(at + took + ahead)
        if answer is None:
            ended = late = reply = None
        began, early = micros(at), moment(at + ahead)
        self.calls.append(Call(process, self.number, verb, began, early, ended, late, given, reply))

    def fresh(self, job, **parts):
        usual = Facts(
            *(job, "enqueued", 0, 0, 0, 3, None, None, None, 0, EPOCH, "", None),
        )
        return usual._replace(**parts)

    def shown(self, job, at, changes, **rises):
        """The facts of a job after a change: ``rises`` are added to the numbers it had."""
        before = self.told.get(job) or self.fresh(job, seq=1)
        risen = {name: getattr(before, name) + by for name, by in rises.items()}
        usual = {"worker": None, "until": None, "due": None, "since": moment(at), "outcome": ""}
        after = before._replace(**usual | risen | changes)
        self.told[job] = after
        return after

    # -- the operations ------------------------------------------------------------------------

    def enqueue(self, at, *jobs, answer="done", parts=(), **more):
        """``parts``: of the facts of each job."""
        jobs = jobs or ("j",)
        given = [self.fresh(job, **dict(parts)) for job in jobs]
        told = [facts._replace(seq=self.number + place) for place, facts in enumerate(given, 1)]
        if answer in ("done", "unknown", None):
            self.told |= {facts.id: facts for facts in told}
        self.call(
            at, "enqueue", given, told if answer == "done" else jobs[0], answer=answer, **more
        )

    def claim(self, at, worker, job="j", *, lease=LEASE, now=None, ahead=False, **more):
        """``now``: when it read the clock, if that was not at its beginning."""
        now = at if now is None else now
        changes = {"kind": "processing", "worker": worker, "until": moment(now + lease)}
        options = {name: more.pop(name) for name in ("answer", "took", "process") if name in more}
        given = {"worker": worker, "lease": micros(lease), "limit": 0 if ahead else 9, "ahead": 9}
        told = None
        if options.get("answer", "done") == "done":
            told = [self.shown(job, now, changes | more, version=1, attempt=1, fence=1)]
        self.call(at, "claim", given, told, **options)

    def end(self, at, worker, fence, job="j", *, kind="succeeded", result="1", **more):
        """A finish; ``again``: it changes nothing, since it was sent before."""
        options = {name: more.pop(name) for name in ("answer", "took", "process") if name in more}
        due = 0 if kind == "enqueued" else more.get("due")
        changes = {"kind": kind, "outcome": result, "due": due} | more
        given = [[self._hand(job, worker, fence), kind, result, due]]
        self.call(at, "finish", given, self._one(job, at, changes, options), **self._rest(options))

    def _one(self, job, at, changes, options, **rises):
        answer = options.get("answer", "done")
        if answer == "lost":
            return [None]
        if answer == "again":
            return [self.told[job]]
        return [self.shown(job, at, changes, version=1, **rises)] if answer == "done" else None

    def _hand(self, job, worker, fence):
        there = self.told.get(job)
        return [job, worker, fence, there.seq if there else 1]

    def _rest(self, options):
        same = options.get("answer") in ("lost", "again")
        return options | ({"answer": "done"} if same else {})

    def release(self, at, worker, fence, job="j", **more):
        options = {name: more.pop(name) for name in ("answer", "took", "process") if name in more}
        changes = {"kind": "enqueued", "due": 0} | more
        given = {"hands": [self._hand(job, worker, fence)], "delayed": False}
        told = self._one(job, at, changes, options, attempt=-1)
        self.call(at, "release", given, told, **self._rest(options))

    def renew(self, at, worker, fence, job="j", *, held=True, lease=LEASE, **more):
        given = {"hands": [self._hand(job, worker, fence)], "lease": micros(lease)}
        self.call(at, "renew", given, [held], **more)

    def lock(self, at, worker, job="j", *, held=True, lease=LEASE, **more):
        given = {"job": job, "worker": worker, "lease": micros(lease)}
        self.call(at, "lock", given, held, **more)

    def unlock(self, at, worker, job="j", *, done=True, **more):
        self.call(at, "unlock", {"job": job, "worker": worker}, done, **more)

    def end_claims(self, at, worker, number=1, **more):
        self.call(at, "end_claims", worker, number, **more)

    def rescue(self, at, worker=None, job="j", *, kind="enqueued", **more):
        """Takes the job from ``worker``; None = a rescue of nothing."""
        options = {name: more.pop(name) for name in ("answer", "took", "process") if name in more}
        told = []
        if worker is not None:
            changes = {
                "kind": kind,
                "lost_by": worker,
                "outcome": "" if kind == "enqueued" else "x",
            }
            due = {"due": 0 if kind == "enqueued" else None}
            told = [self.shown(job, at, changes | due | more, version=1)]
        self.call(at, "rescue", None, told, **options)

    def change(self, at, verb, kind, job="j", *, answer="done", **more):
        """A cancel or a retry."""
        changes = {"kind": kind, "due": 0 if kind == "enqueued" else None} | more
        told = self.shown(job, at, changes, version=1) if answer == "done" else None
        self.call(at, verb, job, told, answer=answer)

    def cancel(self, at, job="j", **more):
        self.change(at, "cancel", "deleted", job, **more)

    def retry(self, at, job="j", **more):
        self.change(at, "retry", "enqueued", job, **more)

    def expire(self, at, job="j", *, verb="expire", answer="done", claimed=False, **more):
        """``verb``: "claim" = by a claim that came upon it, and got nothing else."""
        given = {"worker": "a", "lease": micros(LEASE), "limit": 9, "ahead": 0}
        also = []
        if answer == "done":
            changes = {"kind": "deleted", "outcome": '"expired"'} | more
            also = [["expire", self.shown(job, at, changes, version=1 + claimed, fence=claimed)]]
        told = [] if verb == "claim" else None
        self.call(at, verb, given if verb == "claim" else None, told, answer=answer, also=also)

    def update(self, at, job="j", *, answer="done", version=None, rises=(), **changes):
        """``version``: that which was read, if not the latest."""
        given = self.told[job]._replace(**changes)
        if version is not None:
            given = given._replace(version=version)
        told = None
        if answer == "done":
            since = {"since": given.since, "worker": given.worker, "due": given.due}
            told = self.shown(job, at, since | changes, version=1, **dict(rises))
        self.call(at, "update", given, told, answer=answer)

    def delete(self, at, job="j", *, done=True, **more):
        self.call(at, "delete", job, done, **more)
        if done:
            self.told.pop(job, None)

    def read(self, at, job="j", *, shown=True, **more):
        """The job as it was told last, or with the facts in ``more``; ``shown`` False: absent."""
        options = {name: more.pop(name) for name in ("took", "process", "answer") if name in more}
        told = [self.told[job]._replace(**more)] if shown else [None]
        self.call(at, "read", [job], told, **options)

    def final(self, at, *jobs, **more):
        """The store at the end: ``jobs`` as they were told last."""
        told = [self.told[job]._replace(**more) for job in jobs]
        self.call(at, "final", None, told)

    def purge(self, at, removed, *, kept=0.0):
        given = dict.fromkeys(("succeeded", "failed", "deleted"), micros(kept))
        self.call(at, "purge", given, removed)
