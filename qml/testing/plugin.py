"""The pytest plug-in: fixtures for those who test jobs; none of them comes by itself.

It is loaded by every pytest of the environment, so what the fixtures need is imported by them.
"""

import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..storage.storage import Storage
    from ..values.clock import ManualClock
    from ..work.app import Qml


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two settings for pytest's own file."""
    parser.addini(
        "qml_app", "the Qml to test, as module:attribute, for the fixture qml_jobs", None, ""
    )
    parser.addini("qml_url", "what kind of store the fixture qml_storage makes", None, "memory://")


@pytest.fixture
def qml_clock() -> "ManualClock":
    """The clock of ``qml_storage``. It stands still until the test calls ``advance(seconds)``."""
    from ..values.clock import ManualClock

    return ManualClock()


@pytest.fixture
def qml_url(pytestconfig: pytest.Config) -> str:
    """The kind of store that ``qml_storage`` makes, with settings: what ``qml_url`` in pytest's
    own file says, or memory. Where it is, is not taken from here: see ``qml_storage``."""
    return str(pytestconfig.getini("qml_url"))


@pytest.fixture
def qml_app(pytestconfig: pytest.Config) -> "Qml | None":
    """The Qml under test, which ``qml_app`` in pytest's own file names as module:attribute."""
    from ..work.app import Qml

    name = str(pytestconfig.getini("qml_app"))
    if not name:
        return None
    try:
        found = pkgutil.resolve_name(name)
    except (AttributeError, ValueError) as error:
        raise pytest.UsageError(
            f"qml_app = {name} cannot be found ({error}); name a Qml, such as myapp:jobs"
        ) from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name.partition(':')[0]}.".startswith(f"{error.name}."):
            raise  # it is there, and misses another
        raise pytest.UsageError(
            f"qml_app = {name} cannot be found ({error}); see that the name is right, and where "
            "pytest looks for modules (pythonpath = . in its file: beside that file)"
        ) from None
    if not isinstance(found, Qml):
        kind = type(found).__name__
        raise pytest.UsageError(f"qml_app = {name} is a {kind}; name a Qml, such as myapp:jobs")
    return found


@pytest.fixture
def qml_storage(
    qml_url: str, qml_app: "Qml | None", qml_clock: "ManualClock", tmp_path: Path
) -> "Iterator[Storage]":
    """A storage of the kind that ``qml_url`` names, empty, on ``qml_clock``, with the options of
    the Qml under test. Its place is its own and vanishes with the test: a file in ``tmp_path``,
    a schema, a prefix of keys. What ``qml_url`` itself names is not touched."""
    from ..storage.connect import connect
    from .namespaces import namespace

    __tracebackhide__ = True  # pytest would show the URL, password and all
    options = {} if qml_app is None else qml_app.storage_options
    options["clock"] = qml_clock
    with namespace(qml_url, tmp_path) as place, connect(place, **options) as storage:
        yield storage


@pytest.fixture
def qml_jobs(qml_app: "Qml | None", qml_storage: "Storage") -> "Iterator[Qml]":
    """The Qml under test, its jobs kept in ``qml_storage`` until the test ends; its own storage is
    not touched. A new Qml when ``qml_app`` names none."""
    from ..work.app import Qml

    if qml_app is None:
        yield Qml(qml_storage)
    else:
        with qml_app.using_storage(qml_storage) as jobs:
            yield jobs
