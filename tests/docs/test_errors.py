"""docs/errors.rst draws the tree of errors as it is, and says what to do on each."""

import re

import qml
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "errors.rst").read_text(encoding="utf-8")


def drawn():
    """(name, parent, other parent) of each line of the tree."""
    above = {0: None}
    for indent, name, other in re.findall(
        r"^((?: {4})+)([A-Z]\w+)(?: +\(an? (\w+), too\))?$", PAGE, re.MULTILINE
    ):
        depth = len(indent) // 4
        above[depth] = name
        yield name, above[depth - 1], other or None


def real():
    for name in qml.__all__:
        error = getattr(qml, name)
        if isinstance(error, type) and issubclass(error, qml.QmlError):
            parent, *others = error.__bases__
            up = None if error is qml.QmlError else parent.__name__
            yield name, up, others[0].__name__ if others else None


def test_the_tree_is_as_drawn():
    assert set(drawn()) == set(real())


def test_every_error_has_an_advice():
    told = set(re.findall(r"\* - ``(\w+)``\n", PAGE))
    assert told == {name for name, _, _ in real()} - {"QmlError"}
