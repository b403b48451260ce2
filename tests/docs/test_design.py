"""docs/design.rst names what exists, and a real job takes the trip it describes."""

import importlib
import re
import sys
import threading

import pytest

from qml import Qml
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "design.rst").read_text(encoding="utf-8")

# ``qml/folder/file.py: Name.of_it`` or ``qml/folder``, perhaps with a line break in it.
NAMED = re.compile(r"``((?:qml|tests)/[\w/.]*)(?::\s+([\w.]+))?``")

PLACES = sorted(set(NAMED.findall(PAGE)))
TRIP = NAMED.findall(PAGE.partition("One job's trip\n---")[2].partition("A test follows")[0])


def resolve(path, name):
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("path", "name"), PLACES, ids=lambda text: text or "file")
def test_what_the_page_names_exists(path, name):
    assert (REPO / path).exists()
    if name:
        resolve(path, name)


def test_the_page_names_the_verbs():
    from qml.seam.driver import Driver

    seam = PAGE.partition("The seam\n---")[2].partition("One job's trip")[0]
    verbs = {name for name in vars(Driver) if not name.startswith("_")}
    assert verbs <= set(re.findall(r"``(\w+)``", seam))


def test_a_real_job_takes_the_trip(tmp_path):
    steps = {resolve(*step).__code__: step for step in TRIP}
    taken = set()

    def watch(frame, event, argument):
        if event == "call" and frame.f_code in steps:
            taken.add(steps[frame.f_code])

    with Qml(f"sqlite:///{tmp_path}/jobs.db") as jobs:

        @jobs.task
        def double(number):
            return 2 * number

        threading.setprofile(watch)
        sys.setprofile(watch)
        try:
            with jobs.server(threads=1):
                assert jobs.result(double.enqueue(21), timeout=30) == 42
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    assert set(TRIP) - taken == set()
    assert len(TRIP) == 20
