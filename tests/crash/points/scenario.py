"""The story that is cut short at every point: each writing operation of qml, on a few jobs.

A step is a function of a world, and what it returns, or the error of qml that it raises, is what
its caller was told. The same steps are taken by the oracle.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from qml import Job
from qml.testing.table import A_SERVER
from qml.values.followup import Followup
from qml.values.notes import NO_NOTES
from qml.values.retention import Retention
from qml.values.schedule import Every, Schedule
from qml.values.selection import JobFilter
from qml.values.states import AwaitingRetry, Failed, Processing, Scheduled, Succeeded

from .migrations import NEWEST
from .world import World


@attrs.frozen
class Step:
    """A call, by a name for people."""

    name: str
    take: Callable[[Any], Any]


BEGAN = datetime(2030, 1, 1, tzinfo=UTC)  # where the clocks of the worlds begin


def job(job_id: str, method: str = "fine", **settings: Any) -> Job:
    return Job(method, [{"of": job_id, "deep": [1, {"x": None}]}], id=job_id, **settings)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def plan(seconds: float) -> Scheduled:
    return Scheduled(BEGAN, at(seconds), "later")


# Made once, before anybody is forked: so they are the same in each process.
ONE = job("one", metadata={"who": "Ada", "tags": ["a", "b"]}, timeout_seconds=9.5)
FIRST = [job("low", priority=-1), job("high", priority=5), job("mail-1", queue="mail")]
MORE = [job("a1"), job("a2"), job("a3"), job("mail-2", "fails", queue="mail", max_retries=1)]
SOON, LATE = job("soon", state=plan(100.0)), job("late", state=plan(50_000.0))
ADA = job("ada-1", unique_key="ada", job_type="greeting")
BOB = job("bob-1", unique_key="bob", unique_while="queued")
ENDED = [job(f"ended-{number}", state=Succeeded(BEGAN, 1.0, number)) for number in range(5)]
CY = job("cy-1", unique_key="cy", max_retries=0)
CY_TOO = job("cy-2", unique_key="cy")
AGAIN = [job("ada-2", unique_key="ada"), job("bob-2", unique_key="bob", unique_while="queued")]
HALF = [job("half-1"), job("half-2", unique_key="ada"), job("half-3", unique_key="eve")]
TASKS = [
    job("t1", priority=9),
    job("t2", "fails", priority=9),
    job("t3", "snoozes", priority=9),
    job("t4", "discards", priority=9),
]
DOOMED = [job(f"doomed-{n}", max_retries=0, priority=9) for n in range(3)]
CROWD = [job(f"crowd-{n}", unique_key=("dora" if n == 3 else None)) for n in range(8)]

SLOT = job("minutely", queue="slots", created_at=BEGAN, on_failure=Followup("follows"))
MINUTELY = Schedule(name="minutely", rule=Every(60), job=SLOT, catch_up="all")
HASTY = attrs.evolve(MINUTELY, rule=Every(45), overlap=False)
BRIEF = job("brief", queue="brief", retention=Retention(succeeded=50, deleted=50, failed=50))
SHORT = job("short", queue="never", expires_at=at(1.0))
NEVER = [attrs.evolve(SHORT, id=f"never-{n}") for n in range(3)]  # alike
MANY = [job(f"many-{n}", queue="many", metadata={"odd": n % 2 == 1}) for n in range(6)]

SHARED, BATCH = "shared", "b"  # a queue, a batch
ONE_A_SECOND = {"concurrency_key": "k", "concurrency_limit": 1, "rate": "1/s", "rate_key": "pace"}
LIMITED = [job(f"limited-{n}", queue=SHARED, **ONE_A_SECOND) for n in range(3)]
MEMBERS = [job(f"member-{n}", queue=SHARED, batch=BATCH, place=n) for n in range(2)]
AFTER_ALL = job("after-all", queue=SHARED, after_batch=BATCH)
PARENT, CHILD = job("parent", queue=SHARED), job("child", queue=SHARED, after=("parent",))

DONE, FAILED = Succeeded(BEGAN, 12.5, {"sent": [1, 2]}), Failed(BEGAN, "ValueError: no", "", 0)
AWAY = AwaitingRetry(BEGAN, at(90.0), 1, "OSError: away")


def _finish_some_stale(w: World) -> Any:
    stale = [(w.hand("a2"), DONE), (w.hand("high"), FAILED)]
    return w.storage.finish_many(
        [stale[0], (w.hand("a3"), DONE), (w.hand("mail-2"), FAILED), stale[1]]
    )


def _renew(w: World, *job_ids: str) -> Any:
    return w.storage.renew([w.newest(job_id) for job_id in job_ids], 90.0)


def _finish_all(w: World, worker: str) -> Any:
    hands = enumerate(_hands(w, worker))
    return w.storage.finish_many([(hand, Succeeded(BEGAN, 1.0, n)) for n, hand in hands])


def _hands(w: World, worker: str) -> list[Job]:
    """What a worker has in hand, by id: the oracle's and the store's alike."""
    held = [hand for hand in w.hands.values() if isinstance(hand.state, Processing)]
    return sorted((job for job in held if job.state.worker_id == worker), key=lambda job: job.id)


def _lock(w: World, *order: Any) -> Any:
    return w.storage.try_acquire_job_lock(*order)


def _note_run(w: World) -> Any:
    """What two runs say of themselves, and a third does not."""
    said = [NO_NOTES.with_progress(0.5, f"slot {n}", BEGAN) for n in range(2)]
    return w.storage.note_many(list(zip(_hands(w, "w7"), [*said, None], strict=True)), 90.0)


def _fail_some(w: World) -> Any:
    """The states only: the jobs of the answer have the notes of the claim, which are older."""
    first, second, _ = _hands(w, "w7")
    done = w.storage.finish_many([(first, FAILED), (second, DONE)])
    return [getattr(job, "state", job) for job in done]


def _cancel_odd(w: World) -> Any:
    return w.storage.cancel_many(JobFilter(queue="many", metadata={"odd": True}), "not needed")


def _note(w: World) -> Any:
    return w.storage.update(w.storage.get("mail-2").with_metadata(seen=True, by="operator"))


def _note_on_old(w: World) -> Any:
    return w.storage.update(w.hand("one").with_metadata(late=True))


def _change_all(w: World) -> Any:
    read = w.storage.get("late")
    new = {"arguments": [{"other": "payload" * 20}], "kwargs": {"kw": 1.5}, "unique_key": "eve"}
    return w.storage.update(attrs.evolve(read, queue="night", priority=7, **new))


def _claim_by_hand(w: World) -> Any:
    claimed = w.storage.get("mail-1").with_state(Processing(BEGAN, "by hand", A_SERVER))
    return w.keep([w.storage.update(claimed)])


STEPS = (
    # -- storing, by an older qml and by this one
    Step("open as before the upgrade", lambda w: w.open(1)),
    Step("enqueue one", lambda w: w.storage.enqueue(ONE)),
    Step("enqueue several", lambda w: w.storage.enqueue_many(FIRST)),
    Step("open after the upgrade", lambda w: w.open(NEWEST)),
    Step("enqueue several more", lambda w: w.storage.enqueue_many([*MORE, LATE])),
    Step("schedule one", lambda w: w.storage.enqueue(SOON)),
    Step("enqueue with keys", lambda w: w.storage.enqueue_many([ADA, BOB])),
    Step("enqueue one with a key", lambda w: w.storage.enqueue(CY)),
    Step("enqueue a taken id", lambda w: w.storage.enqueue(ONE)),
    Step("enqueue several with a taken key", lambda w: w.storage.enqueue_many(HALF)),
    # -- locks
    Step("lock a waiting job", lambda w: _lock(w, "low", "operator", 500.0)),
    Step("lock what another holds", lambda w: _lock(w, "low", "another", 5.0)),
    Step("lock for longer", lambda w: _lock(w, "low", "operator", 600.0)),
    Step("lock a second job", lambda w: _lock(w, "a3", "operator", 600.0)),
    Step("unlock it", lambda w: w.storage.release_job_lock("a3", "operator")),
    # -- claims and their ends
    Step("claim one", lambda w: w.claim("w1", 1)),
    Step("claim several", lambda w: w.claim("w1", 5)),
    Step("claim of some queues", lambda w: w.claim("w2", 3, ["mail", "default"])),
    Step("reuse a key that a claim freed", lambda w: w.storage.enqueue(AGAIN[1])),
    Step(
        "renew several",
        lambda w: _renew(w, "high", "one", "a1"),
    ),
    Step("finish succeeded", lambda w: w.storage.finish(w.hand("high"), DONE)),
    Step("finish failed", lambda w: w.storage.finish(w.hand("one"), FAILED)),
    Step("finish to try again", lambda w: w.storage.finish(w.hand("a1"), AWAY)),
    Step("finish twice", lambda w: w.storage.finish(w.hand("high"), DONE)),
    Step("finish otherwise", lambda w: w.storage.finish(w.hand("high"), FAILED)),
    Step("release at once", lambda w: w.storage.release(w.hand("a2"))),
    Step("release for later", lambda w: w.storage.release(w.hand("mail-1"), 20.0)),
    Step("finish many with stale ones", _finish_some_stale),
    # -- other hands
    Step("cancel a waiting job with a key", lambda w: w.storage.cancel("bob-2", "not needed")),
    Step("claim with a key", lambda w: w.claim("w3", 4)),
    Step("cancel a running job with a key", lambda w: w.storage.cancel("ada-1", "stop")),
    Step("reuse the key", lambda w: w.storage.enqueue(AGAIN[0])),
    Step("end of the cancelled run", lambda w: w.storage.finish(w.hand("ada-1"), DONE)),
    Step("retry a failed job", lambda w: w.storage.retry("mail-2")),
    Step("fail for good with a key", lambda w: w.storage.finish(w.hand("cy-1"), FAILED)),
    Step("take its key", lambda w: w.storage.enqueue(CY_TOO)),
    Step("retry without a free key", lambda w: w.storage.retry("cy-1")),
    Step("free the key", lambda w: w.storage.cancel("cy-2")),
    Step("retry with a key", lambda w: w.storage.retry("cy-1")),
    Step("update a record", _note),
    Step("update all of it", _change_all),
    Step("update an old version", _note_on_old),
    Step("retry a waiting job", lambda w: w.storage.retry("mail-1")),
    Step("claim by update", _claim_by_hand),
    Step("delete a waiting job", lambda w: w.storage.delete("soon")),
    Step("delete a locked job", lambda w: w.storage.delete("low")),
    Step("delete nothing", lambda w: w.storage.delete("nobody")),
    # -- time, and what it brings
    Step("leases lapse", lambda w: w.clock.advance(31.0)),
    Step("lock over a lapsed claim", lambda w: _lock(w, "a2", "operator", 60.0)),
    Step("finish what was taken over", lambda w: w.storage.finish(w.hand("a2", 2), DONE)),
    Step("end a lease", lambda w: w.storage.release_job_lock("a2", "operator")),
    Step("enqueue what will be lost", lambda w: w.storage.enqueue_many(DOOMED)),
    Step("claim what will be lost", lambda w: w.claim("w4", 3)),
    Step("more leases lapse", lambda w: w.clock.advance(31.0)),
    Step("rescue", lambda w: w.storage.rescue()),
    Step("claim ahead", lambda w: w.claim("w5", 1, None, 1)),
    Step("renew what was claimed ahead", lambda w: _renew(w, "mail-2", "cy-1")),
    Step("finish what was claimed ahead", lambda w: _finish_all(w, "w5")),
    # -- servers
    Step("first heartbeat", lambda w: w.beat("server-1")),
    Step("second heartbeat", lambda w: w.beat("server-1")),
    Step("enqueue tasks", lambda w: w.storage.enqueue_many(TASKS)),
    Step("serve a step", lambda w: w.serve(4)),
    Step("retries fall due", lambda w: w.clock.advance(70.0)),
    Step("serve what fell due", lambda w: w.serve(5)),
    Step("enqueue a crowd", lambda w: w.storage.enqueue_many(CROWD)),
    Step("claim a crowd", lambda w: w.claim("w6", 8, ["default"])),
    Step("finish a crowd", lambda w: _finish_all(w, "w6")),
    # -- recurring jobs, notes, failures and what follows, what is late
    Step("add a schedule", lambda w: w.storage.schedules.put(MINUTELY)),
    Step("its slots come", lambda w: w.clock.advance(190.0)),
    Step("issue three slots", lambda w: w.issue("minutely")),
    Step("issue nothing", lambda w: w.issue("minutely")),
    Step("pause it", lambda w: w.storage.schedules.pause("minutely")),
    Step("go on with it", lambda w: w.storage.schedules.resume("minutely")),
    Step("change its rule", lambda w: w.storage.schedules.put(HASTY)),
    Step("another slot comes", lambda w: w.clock.advance(50.0)),
    Step("skip a slot", lambda w: w.issue("minutely")),
    Step("remove it", lambda w: w.storage.schedules.remove("minutely")),
    Step("add it anew", lambda w: w.storage.schedules.put(MINUTELY)),
    Step("claim its jobs", lambda w: w.claim("w7", 3, ["slots"])),
    Step("note what they do", _note_run),
    Step("fail, and have what follows", _fail_some),
    Step("fail once more", lambda w: w.storage.finish(_hands(w, "w7")[0], FAILED)),
    Step("enqueue what is kept briefly", lambda w: w.storage.enqueue(BRIEF)),
    Step("claim it", lambda w: w.claim("w8", 1, ["brief"])),
    Step("finish it", lambda w: w.storage.finish(w.hand("brief"), DONE)),
    Step("its time is over", lambda w: w.clock.advance(51.0)),
    Step("purge it", lambda w: w.storage.purge()),
    Step("enqueue what is late", lambda w: w.storage.enqueue_many(NEVER)),
    Step("end what is late", lambda w: w.storage.expire()),
    Step("store what has ended", lambda w: w.storage.enqueue_many(ENDED)),
    Step("enqueue many", lambda w: w.storage.enqueue_many(MANY)),
    Step("cancel some of them", _cancel_odd),
    # -- limits, pauses, batches, what comes after others
    Step("enqueue under limits", lambda w: w.storage.enqueue_many(LIMITED)),
    Step("claim what they let pass", lambda w: w.claim("w9", 3, [SHARED])),
    Step("finish it, and free its permit", lambda w: w.storage.finish(w.hand("limited-0"), DONE)),
    Step("claim too early", lambda w: w.claim("w9", 3, [SHARED])),
    Step("the pace goes on", lambda w: w.clock.advance(1.5)),
    Step("pause the queue", lambda w: w.storage.queues.pause(SHARED)),
    Step("claim what is paused", lambda w: w.claim("w9", 3, [SHARED])),
    Step("go on with the queue", lambda w: w.storage.queues.resume(SHARED)),
    Step("claim the next", lambda w: w.claim("w9", 3, [SHARED])),
    Step("its lease lapses", lambda w: w.clock.advance(31.0)),
    Step("renew it, as its permit is free", lambda w: _renew(w, "limited-1")),
    Step("cancel what is kept back", lambda w: w.storage.cancel("limited-2")),
    Step("expect a batch", lambda w: w.expect(BATCH, True)),
    Step("enqueue it", lambda w: w.storage.enqueue_many([*MEMBERS, AFTER_ALL])),
    Step("expect no more of it", lambda w: w.expect(BATCH, False)),
    Step("claim the batch", lambda w: w.claim("w10", 3, [SHARED])),
    Step("finish the batch", lambda w: _finish_all(w, "w10")),
    Step("claim what waited for it", lambda w: w.claim("w11", 3, [SHARED])),
    Step("enqueue a parent", lambda w: w.storage.enqueue(PARENT)),
    Step("enqueue what comes after it", lambda w: w.storage.enqueue(CHILD)),
    Step("claim the parent", lambda w: w.claim("w12", 3, [SHARED])),
    Step("finish the parent", lambda w: w.storage.finish(w.hand("parent"), DONE)),
    Step("claim the child", lambda w: w.claim("w12", 3, [SHARED])),
    # -- servers that are gone
    Step("a server falls silent", lambda w: w.clock.advance(601.0)),
    Step("heartbeat of another", lambda w: w.beat("server-2")),
    Step("goodbye", lambda w: w.leave("server-2")),
    # -- the end of what has ended
    Step("retention of some is over", lambda w: w.clock.advance(700.0)),
    Step("purge a few", lambda w: w.storage.purge(3)),
    Step("purge all that succeeded", lambda w: w.storage.purge()),
    Step("retention of more is over", lambda w: w.clock.advance(1_000.0)),
    Step("purge the deleted", lambda w: w.storage.purge()),
    Step("retention of the rest is over", lambda w: w.clock.advance(1_300.0)),
    Step("purge the failed", lambda w: w.storage.purge()),
    Step("close", lambda w: w.close()),
)
