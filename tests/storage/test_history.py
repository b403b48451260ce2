"""Threads at once on each storage, leases that lapse, late hands: a history that can be."""

import random
from contextlib import suppress

from qml import AwaitingRetry, Failed, Job, Succeeded
from qml.testing.history import History
from qml.values.errors import QmlError
from tests.drivers.test_life import in_threads

THREADS, STEPS = 6, 150

LIMITS = [
    {"concurrency_key": "one", "concurrency_limit": 1},
    {"concurrency_key": "one", "concurrency_limit": 1},
    {"concurrency_key": "two", "concurrency_limit": 2},
    {"rate": "20/s", "rate_key": "pace"},
    {},
]

OFTEN = ["enqueue", "claim", "claim", "finish", "renew", "renew", "resume", "advance"]


class Hands:
    """One thread: it does whatever comes to mind, and turns the clock on a little by itself."""

    def __init__(self, storage, clock, seed):
        self.storage, self.clock, self.chance = storage, clock, random.Random(seed)
        self.name, self.held, self.known = f"w{seed}", [], []

    def step(self):
        verbs = [name for name in vars(Hands) if not name.startswith("_") and name != "step"]
        with suppress(QmlError, IndexError):  # there is no such job, or it may not be done
            getattr(self, self.chance.choice([*verbs, *OFTEN]))()

    def enqueue(self):
        shared = self.chance.choice(LIMITS) | {"queue": self.chance.choice(["mail", "other"])}
        self.known += self.storage.enqueue_many([Job("t", max_retries=2, **shared)])

    def enqueue_after(self):
        after = [self.chance.choice(self.known).id]
        self.known.append(self.storage.enqueue(Job("t", after=after, needs_success=False)))

    def enqueue_in_a_batch(self):
        batch = f"n{self.chance.randint(0, 3)}"
        self.known.append(self.storage.enqueue(Job("t", batch=batch)))
        self.storage.enqueue(Job("t", after_batch=batch, needs_success=False))

    def enqueue_with_a_key(self):
        policy = self.chance.choice(["existing", "replace"])
        key = self.chance.choice("ab")
        self.storage.enqueue(Job("t", unique_key=key, **LIMITS[0]), on_conflict=policy)

    def claim(self):
        lease = self.chance.choice([0.02, 0.1, 2])
        self.held += self.storage.claim(self.name, 3, lease_seconds=lease).jobs

    def renew(self):
        self.storage.renew(self.held[-6:], self.chance.choice([0.02, 0.5]))

    def finish(self):
        later = AwaitingRetry(retry_at=self.storage.now())
        end = self.chance.choice([Succeeded(), Failed(exception="no"), later])
        self.storage.finish_many([(self._one(), end)])

    def release(self):
        self.storage.release_many([self._one()])

    def _one(self):
        return self.held.pop(self.chance.choice(range(len(self.held))))

    def lock(self):
        self.storage.try_acquire_job_lock(self.held[-1].id, self.name, 0.1)

    def cancel(self):
        self.storage.cancel(self.chance.choice(self.known).id)

    def retry(self):
        self.storage.retry(self.chance.choice(self.known).id)

    def rescue(self):
        self.storage.rescue()

    def pause(self):
        self.storage.queues.pause("mail")

    def resume(self):
        self.storage.queues.resume("mail")

    def advance(self):
        self.clock.advance(self.chance.choice([0.005, 0.02, 0.1]))


def test_what_threads_do_at_once_can_be(storage, clock, tmp_path):
    """One clock for all, so that no allowance for clocks hides anything."""
    history = History(tmp_path / "history")
    recorded = history.record(storage)

    def work(number):
        hands = Hands(recorded, clock, number)
        for _ in range(STEPS):
            hands.step()

    in_threads(THREADS, work)
    history.final(storage)
    verdict = history.judge(drained=False, allowance=0.0)
    assert (verdict.faults, verdict.undecided, verdict.unknown) == ([], 0, 0)
    assert verdict.operations > THREADS * STEPS // 2
    assert verdict.claims > 20
