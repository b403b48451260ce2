"""The tree of errors is the contract's, and every error survives a pickle."""

import copy
import pickle

import pytest

import qml
from qml.values import errors

TREE = {  # contract, part 4; the last two are of running jobs (part 5)
    "QmlError": "Exception",
    "StorageError": "QmlError",
    "StorageUnavailable": "StorageError",
    "JobNotFound": "StorageError",
    "JobAlreadyExists": "StorageError",
    "UniqueKeyTaken": "StorageError",
    "ConcurrentModification": "StorageError",
    "JobLost": "StorageError",
    "SerializationError": "StorageError",
    "MigrationError": "StorageError",
    "CapacityExceeded": "StorageError",
    "InvalidTransition": "QmlError",
    "UnknownMethod": "QmlError",
    "InvalidArguments": "QmlError",
    "ConfigurationError": "QmlError",
    "JobFailed": "QmlError",
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
ERRORS = [getattr(errors, name) for name in TREE]


def test_these_are_all():
    public = {name for name, thing in vars(errors).items() if isinstance(thing, type)}
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


def test_the_docstring_draws_every_error():
    for name in TREE:
        assert f" {name}" in errors.__doc__
