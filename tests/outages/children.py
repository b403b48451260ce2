"""What child processes do that were forked, spawned or forked by a server of multiprocessing."""

import os

from qml import Job, Succeeded
from qml.storage.storage import Storage

from .stores import Store


def use(storage: Storage, name: str) -> None:
    """A child's own share of work: enqueue, claim, finish, look."""
    queue = [name]
    job = storage.enqueue(Job("t", [name], queue=name))
    claimed = storage.fetch_and_lock_job(f"worker {name}", queue)
    assert claimed is not None
    assert claimed.id == job.id
    storage.finish(claimed, Succeeded(result=os.getpid()))
    found = storage.get(job.id)
    assert found is not None
    assert isinstance(found.state, Succeeded)
    assert found.state.result == os.getpid()


def open_and_use(store: Store, name: str) -> None:
    """The same with a storage of its own."""
    with store.open() as storage:
        use(storage, name)
