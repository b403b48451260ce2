"""docs/testing.rst names every fixture, every argument of `drain`, and all that may come of it."""

import inspect
import re

import attrs

from qml.testing import Drained, assert_enqueued, drain, plugin
from qml.testing.wanted import FIELDS
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "testing.rst").read_text(encoding="utf-8")


def part(title):
    """What the page says under a title."""
    _, _, rest = PAGE.partition(f"{title}\n---")
    return re.split(r"\n.+\n-{4,}\n", rest)[0]


def test_every_argument_of_drain_is_told_with_its_default():
    arguments = list(inspect.signature(drain).parameters.values())[1:]
    told = re.findall(r"\* - ``(\w+)=(\w+)``\n", part("Run what is due: ``drain``"))
    assert sorted(told) == sorted((a.name, str(a.default)) for a in arguments)


def test_every_end_of_an_attempt_is_told():
    [listed] = re.findall(r"by what came of it: (.+?);", PAGE.replace("\n", " "))
    assert re.findall(r"``(\w+)``", listed) == [field.name for field in attrs.fields(Drained)]


def test_what_can_be_asked_for_is_told():
    told = set(re.findall(r"``(\w+)=``", part("Look at what waits: ``assert_enqueued``")))
    named = set(inspect.signature(assert_enqueued).parameters) - {"jobs", "task", "fields"}
    assert named <= told
    assert told - named <= set(FIELDS)


def test_every_fixture_and_setting_is_told():
    fixtures = {name for name, value in vars(plugin).items() if hasattr(value, "__wrapped__")}
    assert fixtures == {f"qml_{name}" for name in ("app", "clock", "jobs", "storage", "url")}
    assert fixtures <= set(re.findall(r"``(\w+)``", PAGE))
    assert {"qml_app", "qml_url"} <= set(re.findall(r"^    (qml_\w+) = ", PAGE, re.MULTILINE))
