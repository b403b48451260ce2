"""Claims beside very many jobs that no claim may take: they are to cost it nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice

from qml import Job, Succeeded, connect
from qml.seam.codec import encode_job
from qml.seam.rows import Claim, Row
from qml.seam.standing import encode_claim
from qml.storage.storage import Storage
from qml.values.ids import new_id

from ..loops import PAYLOAD
from ..scale.timing import timed
from ..stores import Store
from .turns import quartiles

STEP = 2_000
"""Jobs that are stored, or claimed, at once."""

FEW = 2
"""Jobs of one key that show what it costs that there are limits at all."""

DAY = 86_400_000_000

FINISHED, VAIN = "claim + finish of 10", "claim that finds nothing"


def measure(store: Store, many: int, times: int) -> dict[str, dict[str, float]]:
    """What claims take in an empty store, and beside ``many`` jobs kept back in three ways."""
    calls: dict[str, dict[str, Callable[[], float]]] = {FINISHED: {}, VAIN: {}}
    with ExitStack() as opened:
        for name, fill in _crowds(many).items():
            storage = opened.enter_context(connect(opened.enter_context(store.new())))
            fill(storage)
            calls[FINISHED][name] = partial(plain, storage)
            calls[VAIN][name] = partial(in_vain, storage)
        return {name: quartiles(each, times) for name, each in calls.items()}


def _crowds(many: int) -> Mapping[str, Callable[[Storage], None]]:
    keys = many // 10  # and two jobs of each
    return {
        "in an empty store": lambda storage: None,
        f"beside {FEW} jobs of one key": partial(one_key, many=FEW),
        f"beside {many:,} jobs of one key": partial(one_key, many=many),
        f"beside {2 * keys:,} jobs of {keys:,} keys": partial(many_keys, many=keys),
        f"beside {many:,} jobs of a paused queue": partial(paused, many=many),
    }


def plain(storage: Storage) -> float:
    """The milliseconds of a claim of ten jobs that nothing keeps back, and of their end."""
    return done(storage, [Job("nothing", [PAYLOAD]) for _ in range(10)])


def done(storage: Storage, new: Sequence[Job]) -> float:
    """The milliseconds of a claim of jobs, stored for it, and of their end."""
    storage.enqueue_many(new)
    jobs, claim = timed(partial(storage.fetch_available_jobs_atomic, "limits", len(new)))
    assert len(jobs) == len(new), f"{len(jobs)} of {len(new)} were claimed"
    return claim + timed(partial(storage.finish_many, [(job, Succeeded()) for job in jobs]))[1]


def in_vain(storage: Storage) -> float:
    """The milliseconds of a claim that finds nothing."""
    jobs, taken = timed(partial(storage.fetch_available_jobs_atomic, "limits", 10))
    assert not jobs, f"{len(jobs)} were claimed that are to be kept back"
    return taken


def one_key(storage: Storage, many: int) -> None:
    """Jobs of one key, of which one may run, and runs."""
    _store(storage, _alike(limited("user"), many))
    _run(storage)


def many_keys(storage: Storage, many: int) -> None:
    """Two jobs of each key, of which one may run, and runs."""
    _store(storage, (row for number in range(many) for row in _alike(limited(str(number)), 2)))
    _run(storage)


def paused(storage: Storage, many: int) -> None:
    """Jobs of a queue that is paused."""
    storage.queues.pause("bulk")
    _store(storage, _alike(Job("nothing", [PAYLOAD], queue="bulk"), many))


def limited(key: str) -> Job:
    """A job of a key that one may run of."""
    return Job("nothing", [PAYLOAD], concurrency_key=f"user:{key}", concurrency_limit=1)


def _alike(job: Job, many: int) -> Iterator[Row]:
    row = encode_job(job, max_attempts=6, lease_until=None, max_bytes=1_000_000)
    return (row._replace(id=new_id()) for _ in range(many))


def _store(storage: Storage, rows: Iterator[Row]) -> None:
    """By the driver, which is quicker."""
    while batch := [*islice(rows, STEP)]:
        storage.driver.insert(batch)


def _run(storage: Storage) -> None:
    """Claim for a day what may run."""
    now = storage.clock.micros()
    claim = Claim("limits", now, now + DAY, STEP, 0, None, encode_claim(now, ""))
    while storage.driver.claim(claim).rows:
        pass
