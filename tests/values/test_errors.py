"""The tree of errors is the contract's, and every error survives a pickle."""

import copy
import pickle
from datetime import UTC, datetime

import pytest

import qml
from qml.values import errors

TREE = {  # contract, part 4; the last two are of running jobs (part 5)
    "QmlError": "Exception",
    "StorageError": "QmlError",
    "StorageUnavailable": "StorageError",
    "StorageClosed": "StorageUnavailable",
    "JobNotFound": "StorageError",
    "JobAlreadyExists": "StorageError",
    "UniqueKeyTaken": "StorageError",
    "ConcurrentModification": "StorageError",
    "JobLost": "StorageError",
    "SerializationError": "StorageError",
    "MigrationError": "StorageError",
    "CapacityExceeded": "StorageError",
    "LockTaken": "StorageError",
    "LockLost": "StorageError",
    "InvalidTransition": "QmlError",
    "UnknownMethod": "QmlError",
    "InvalidArguments": "QmlError",
    "ConfigurationError": "QmlError",
    "JobFailed": "QmlError",
    "BatchFailed": "JobFailed",
    "WaitTimeout": "QmlError",
    "JobCancelled": "QmlError",
    "JobTimeout": "QmlError",
}
ALSO = {
    "InvalidArguments": TypeError,
    "ConfigurationError": ValueError,
    "WaitTimeout": TimeoutError,
    "JobTimeout": TimeoutError,
}
TELL_MORE = {
    "LockTaken": {"lock": "l", "holder": "h", "until": datetime(2026, 8, 1, tzinfo=UTC)},
    "BatchFailed": {"failed": 2, "job_ids": ("a", "b")},
}
ERRORS = [getattr(errors, name) for name in TREE if name not in TELL_MORE]


def test_these_are_all():
    classes = {name: thing for name, thing in vars(errors).items() if isinstance(thing, type)}
    public = {name for name, error in classes.items() if issubclass(error, Exception)}
    assert public == set(TREE)


@pytest.mark.parametrize("name", TREE)
def test_the_tree(name):
    error = getattr(errors, name)
    assert error.__bases__[0].__name__ == TREE[name]
    assert error.__bases__[1:] == ((ALSO[name],) if name in ALSO else ())
    assert getattr(qml, name) is error
    assert error.__module__ == "qml"
    assert error.__doc__


@pytest.mark.parametrize("error", ERRORS)
def test_the_message_and_the_job(error):
    made = error("what happened, and what to do", job_id="j-1")
    assert str(made) == "what happened, and what to do"
    assert made.args == ("what happened, and what to do",)
    assert made.job_id == "j-1"
    assert error("m").job_id is None
    assert str(error()) == ""


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_can_be_pickled(error, protocol):
    made = error("what happened", job_id="j-1")
    again = pickle.loads(pickle.dumps(made, protocol))
    assert type(again) is error
    assert (str(again), again.args, again.job_id) == (str(made), made.args, "j-1")
    assert pickle.loads(pickle.dumps(error("m"), protocol)).job_id is None


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_can_be_copied(error):
    again = copy.copy(error("what happened", job_id="j-1"))
    assert (type(again), str(again), again.job_id) == (error, "what happened", "j-1")


@pytest.mark.parametrize("name", TELL_MORE)
def test_an_error_that_tells_more_keeps_it(name):
    error, facts = getattr(errors, name), TELL_MORE[name]
    made = error("what happened", **facts)
    pickled = [pickle.loads(pickle.dumps(made, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
    for again in (made, copy.copy(made), *pickled):
        assert (type(again), str(again), again.args) == (error, str(made), made.args)
        assert {fact: getattr(again, fact) for fact in facts} == facts
        assert again.job_id == made.job_id
    assert str(error()) == ""


def test_the_docstring_draws_every_error():
    for name in TREE:
        assert f" {name}" in errors.__doc__
