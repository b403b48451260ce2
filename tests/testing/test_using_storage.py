"""`Qml.using_storage` turns an app to another storage for a while, and its own is left alone."""

import threading

import pytest

from qml import ConfigurationError, Qml, Retention, RetryPolicy, connect


@pytest.fixture
def real(tmp_path):
    """An app whose own file must never be made."""
    yield Qml(f"sqlite:///{tmp_path}/real.db")
    assert not (tmp_path / "real.db").exists()


@pytest.fixture
def make():
    made = []

    def make():
        made.append(connect("memory://"))
        return made[-1]

    yield make
    for storage in made:
        storage.close()


def own(app):
    @app.task
    def work():
        return "done"

    return work


def test_everything_goes_to_the_other_storage(real, make):
    work, storage = own(real), make()
    with real.using_storage(storage) as app:
        assert app is real
        job = work.enqueue()
        assert storage.get(job.id) == job
        assert app.server(threads=1).step() == 1
        assert app.result(job) == "done"


def test_threads_see_it_too(real, make):
    work, storage = own(real), make()
    with real.using_storage(storage):
        thread = threading.Thread(target=work.enqueue)
        thread.start()
        thread.join()
    assert len(storage.list()) == 1


def test_the_old_one_is_back_even_after_an_error(make):
    mine, other = make(), make()
    app = Qml(mine)
    with pytest.raises(ZeroDivisionError), app.using_storage(other):
        raise ZeroDivisionError
    assert app.storage is mine
    other.get_job_counts()  # and nobody has closed the other


def test_an_open_storage_stays_open(tmp_path, make):
    with Qml(f"sqlite:///{tmp_path}/jobs.db") as app:
        before = app.storage
        with app.using_storage(make()):
            assert app.storage is not before
        assert app.storage is before
        before.get_job_counts()


def test_blocks_within_blocks(real, make):
    one, two = make(), make()
    with real.using_storage(one):
        with real.using_storage(two):
            with real.using_storage(one):
                assert real.storage is one
            assert real.storage is two
        assert real.storage is one


def test_blocks_that_end_in_another_order(real, make):
    one, two = make(), make()
    first, second = real.using_storage(one), real.using_storage(two)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert real.storage is two
    second.__exit__(None, None, None)


def test_a_program_that_closes_its_app_leaves_the_lent_storage_open(real, make):
    work, storage = own(real), make()
    with real.using_storage(storage):
        with real:
            work.enqueue()
        assert len(storage.list()) == 1


def test_a_storage_elsewhere_can_be_made_with_the_same_options(make):
    kept, policy = Retention(succeeded=5), RetryPolicy(max_retries=1)
    app = Qml("memory://", retry=policy, retention=kept, max_job_bytes=99)
    with app, connect("memory://", **app.storage_options) as twin:
        assert (twin.retry_policy, twin.retention, twin.max_job_bytes) == (policy, kept, 99)
        again = Qml(twin)
        assert again.storage_options == app.storage_options


@pytest.mark.parametrize("given", ["redis://user:secret@host/0", Qml("memory://"), None])
def test_what_is_no_storage_is_refused_and_leaves_the_app_as_it_was(given):
    with Qml("memory://") as jobs:
        with pytest.raises(ConfigurationError, match="is no storage; give one"):
            jobs.using_storage(given).__enter__()
        assert jobs.storage.list() == []
