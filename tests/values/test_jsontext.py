"""JSON that comes back as it went in; what would not is refused, with its path."""

import datetime
import decimal
import enum
import json
import math
import sys
import uuid
from collections import OrderedDict, defaultdict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qml import Job
from qml.testing import strategies
from qml.values import jsontext
from qml.values.errors import SerializationError

Point = namedtuple("Point", "x y")
Level = enum.IntEnum("Level", "LOW")
Word = enum.StrEnum("Word", "A")


def same(one, other):
    """Equal, and of the same type all the way down; order of keys and sign of zero too."""
    pairs = [(one, other)]  # not by recursion: the values are deep
    while pairs:
        one, other = pairs.pop()
        if type(one) is not type(other):
            return False
        if type(one) in (dict, list):
            if len(one) != len(other) or (type(one) is dict and [*one] != [*other]):
                return False
            values = (one.values(), other.values()) if type(one) is dict else (one, other)
            pairs.extend(zip(*values, strict=True))
        elif repr(one) != repr(other):
            return False
    return True


def deep(levels, leaf=None, key=None):
    for _ in range(levels):
        leaf = [leaf] if key is None else {key: leaf}
    return leaf


def with_calls_below(calls, function):
    """``function()`` with so many calls on the stack already."""
    return function() if calls == 0 else with_calls_below(calls - 1, function)


@given(strategies.json_values(max_leaves=20))
def test_every_json_value_comes_back(value):
    kept = jsontext.checked(value, "x")
    assert same(kept, value)
    assert same(jsontext.loads(jsontext.dumps(kept)), value)


@given(st.recursive(strategies.texts(), lambda inner: st.lists(inner) | st.tuples(inner, inner)))
def test_tuples_become_lists(value):
    assert same(jsontext.checked(value, "x"), json.loads(json.dumps(value)))


@pytest.mark.parametrize("value", [[[1], {"a": [2]}], {"a": [[], {}]}, ([], {})])
def test_no_list_and_no_object_is_shared(value):
    def containers(value):
        if isinstance(value, list | tuple | dict):
            yield id(value)
            for item in value.values() if isinstance(value, dict) else value:
                yield from containers(item)

    assert not {*containers(value)} & {*containers(jsontext.checked(value, "x"))}


REFUSED = [
    (math.nan, "is nan"),
    (math.inf, "is inf"),
    (-math.inf, "is -inf"),
    ("a\ud800b", "lone surrogate '\\ud800' at character 1"),
    (b"x", "is a bytes"),
    (bytearray(b"x"), "is a bytearray"),
    (object(), "is an object"),
    ({1, 2}, "is a set"),
    (range(3), "is a range"),
    (1 + 2j, "is a complex"),
    (decimal.Decimal(1), "is a Decimal"),
    (datetime.datetime(2030, 1, 1), "is a datetime"),
    (uuid.UUID(int=1), "is an UUID"),
    (int, "is a type"),
    (Level.LOW, "is a Level"),
    (Word.A, "is a Word"),
    (Point(1, 2), "is a Point"),
    (OrderedDict(a=1), "is an OrderedDict"),
    (defaultdict(int), "is a defaultdict"),
    (10**4300, "more than 4,200 digits"),
    (-(10**4300), "more than 4,200 digits"),
    ({1: 2}, "has the key 1; keys of JSON objects are text: give '1'"),
    ({None: 2}, "has the key None"),
    ({True: 2}, "has the key True"),
    ({(1, 2): 2}, "has the key (1, 2)"),
    ({Word.A: 2}, "has the key <Word.A"),
]


@pytest.mark.parametrize(
    ("value", "why"), REFUSED, ids=[f"{n} {why[:20]}" for n, (_, why) in enumerate(REFUSED)]
)
@pytest.mark.parametrize(
    ("bury", "path"),
    [
        (lambda value: value, ""),
        (lambda value: [0, value], "[1]"),
        (lambda value: (0, [], {}, value), "[3]"),
        (lambda value: {"b": [{"deep": []}], "a": [[], {"k": value}]}, "['a'][1]['k']"),
        (lambda value: [{"": {"'": value}}], "[0]['']" + '["\'"]'),
    ],
    ids=["itself", "list", "tuple", "nested", "odd keys"],
)
def test_what_cannot_be_kept_is_named_with_its_path(value, why, bury, path):
    with pytest.raises(SerializationError) as caught:
        jsontext.checked(bury(value), "arguments")
    assert str(caught.value).startswith(f"arguments{path} ")
    assert why in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_lone_surrogate_in_a_key():
    with pytest.raises(
        SerializationError, match=r"^x\['a'\].*lone surrogate '\\ud800' at char.* 0"
    ):
        jsontext.checked({"a": {"\ud800": 1}}, "x")


def test_the_fault_after_many_good_items():
    value = [[index, {"k": [index]}] for index in range(1_000)] + [b"x"]
    with pytest.raises(SerializationError, match=r"^x\[1000\] is a bytes"):
        jsontext.checked(value, "x")


@pytest.mark.parametrize("key", [None, "k"])
def test_500_levels_and_no_more(key):
    assert same(jsontext.checked(deep(500, 7, key), "x"), deep(500, 7, key))
    with pytest.raises(SerializationError, match=r"nested deeper than 500 levels") as caught:
        jsontext.checked(deep(501, 7, key), "x")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("key", [None, "k"])
def test_500_levels_come_back(key):
    value = deep(500, 7, key)
    assert same(jsontext.loads(jsontext.dumps(value)), value)


def test_what_contains_itself_is_refused():
    ring = []
    ring.append({"again": ring})
    with pytest.raises(SerializationError, match="contains itself"):
        jsontext.checked(ring, "x")


def test_500_levels_are_checked_from_a_deep_stack():
    room = sys.getrecursionlimit() - len_of_stack() - 50
    kept = with_calls_below(room, lambda: jsontext.checked(deep(500, 7), "x"))
    assert same(kept, deep(500, 7))


def test_writing_from_a_deep_stack_says_what_to_do():
    room = sys.getrecursionlimit() - len_of_stack() - 100
    # Pythons differ in whether calls leave JSON less room; none may leave a RecursionError.
    try:
        text = with_calls_below(room, lambda: jsontext.dumps(deep(500, 7)))
    except SerializationError as error:
        assert "enqueue from fewer calls" in str(error)  # noqa: PT017
    else:
        assert same(jsontext.loads(text), deep(500, 7))


def test_reading_from_a_deep_stack_is_no_recursion_error():
    room = sys.getrecursionlimit() - len_of_stack() - 100
    text = jsontext.dumps(deep(500, 7))
    try:
        value = with_calls_below(room, lambda: jsontext.loads(text))
    except SerializationError as error:
        assert "not readable as JSON" in str(error)  # noqa: PT017
    else:
        assert same(value, deep(500, 7))


def test_a_job_of_500_levels_is_made_from_a_deep_stack():
    room = sys.getrecursionlimit() - len_of_stack() - 60
    job = with_calls_below(room, lambda: Job("m", deep(500, 7), {"k": deep(499, 7)}))
    assert same(job.arguments, deep(500, 7))


def len_of_stack():
    frame, length = sys._getframe(), 0
    while frame:
        frame, length = frame.f_back, length + 1
    return length


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, -(2**64) - 1, 10**4_199 + 7])
def test_big_integers(number):
    kept = jsontext.loads(jsontext.dumps(jsontext.checked([number], "x")))
    assert same(kept, [number])


def test_the_text_is_short_and_plain():
    assert jsontext.dumps({"ä": [1, -0.0, None, True], "": "😀\0"}) == (
        '{"ä":[1,-0.0,null,true],"":"😀\\u0000"}'
    )


@given(strategies.json_values())
def test_the_text_is_that_of_json_itself(value):
    assert jsontext.dumps(value) == jsontext._encoder.encode(value)


def test_without_a_writer_in_c(monkeypatch):
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert jsontext._made_once(jsontext._encoder)({"a": [1.0]}) == '{"a":[1.0]}'


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", "'a'", "[" * 100_000, "9" * 5_000, None])
def test_a_damaged_text(text):
    with pytest.raises(SerializationError, match=r"^not readable as JSON: ") as caught:
        jsontext.loads(text)
    assert caught.value.__cause__ is not None


# -- readable: a failure can always be written down --------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("ä 😀 \n\t", "ä 😀 \n\t"),
        ("a\0b", "a\\x00b"),
        ("a\ud800b\udfff", "a\\ud800b\\udfff"),
        ("ä\0\udc80", "ä\\x00\\udc80"),
    ],
)
def test_what_is_shown(text, shown):
    assert jsontext.readable(text, 100) == shown


@given(st.text(st.characters(), max_size=300), st.integers(2, 400))
def test_anything_can_be_stored(text, limit):
    shown = jsontext.readable(text, limit)
    assert "\0" not in shown
    assert jsontext.checked(shown, "x") == shown
    assert json.loads(json.dumps(shown).encode()) == shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50))
def test_an_ordinary_text_stays(text):
    assert jsontext.readable(text, 50) == text


@pytest.mark.parametrize("filler", ["x", "é", "\0", "\ud800"])
def test_five_megabytes_are_shortened(filler):
    text = "first" + filler * 5_000_000 + "last"
    shown = jsontext.readable(text, 10_000)
    assert shown.startswith("first")
    assert shown.endswith("last")
    assert "\n... 4,990,009 characters cut ...\n" in shown
    assert len(shown) <= 6 * 10_000 + 100  # an escape has six characters at most


def test_exactly_the_limit_is_not_cut():
    assert jsontext.readable("x" * 100, 100) == "x" * 100
    cut = jsontext.readable("x" * 101, 100)
    assert cut == "x" * 50 + "\n... 1 characters cut ...\n" + "x" * 50


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_of_nothing_keeps_nothing(limit):
    assert "x" * 10 not in jsontext.readable("x" * 1_000, limit)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_what_json_does_not_have_is_not_read(text):
    with pytest.raises(SerializationError):
        jsontext.loads(text)
