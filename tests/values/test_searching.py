"""Texts are found in values as a person reads them."""

import pytest

from qml.values.searching import contains

HIDDEN_BY_ESCAPES = 'ä "quoted" \\ back\nslash €'


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["ada@example.com"], "ADA@ex"),
        ([HIDDEN_BY_ESCAPES], "Ä"),
        ([HIDDEN_BY_ESCAPES], '"quoted" \\ b'),
        ([HIDDEN_BY_ESCAPES], "\nslash €"),
        (["straße"], "STRASSE"),
        ([{"to": [{"deep": "here"}]}], "here"),
        ([{"tenant": None}], "tenant"),
        ([17], "7"),
        ([1.5], "1.5"),
        ([-(10**30)], "-1000000000000000000000000000000"),
        ([True], "true"),
        ([None], "null"),
    ],
)
def test_what_is_there_is_found(values, text):
    assert contains(values, text)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "a"),
        (["ä"], "u00e4"),
        (["a", "b"], "ab"),
        (["a"], '"'),
        ([{"a": 1}], ": "),
        ([[]], "["),
    ],
)
def test_what_json_writes_beside_it_is_not(values, text):
    assert not contains(values, text)


def test_deep_values_are_no_trouble():
    deep = "bottom"
    for _ in range(100_000):
        deep = [deep]
    assert contains(deep, "bottom")
    assert not contains(deep, "top of it")
