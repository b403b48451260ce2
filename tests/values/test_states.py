"""Seven states: their data, defaults, kinds, and the filters that name them."""

import json
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given

from qml.testing import strategies
from qml.values.errors import ConfigurationError, SerializationError
from qml.values.states import (
    STATES,
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    StateKind,
    Succeeded,
    kinds,
    state_from_dict,
    state_to_dict,
)

MOMENT = datetime(2031, 5, 6, 7, 8, 9, 123_456, UTC)
NAIVE = datetime(2031, 5, 6)

FIELDS = {
    Enqueued: "enqueued_at queue",
    Processing: "started_at worker_id server_name",
    Succeeded: "succeeded_at total_duration_ms result",
    Failed: "failed_at exception stack_trace retry_count",
    Deleted: "deleted_at reason",
    Scheduled: "scheduled_at enqueue_at reason",
    AwaitingRetry: "scheduled_at retry_at retry_count last_exception",
}
NEEDED = {
    Processing: {"worker_id": "w"},
    Scheduled: {"enqueue_at": MOMENT},
    AwaitingRetry: {"retry_at": MOMENT},
}
TIMES = [(cls, name) for cls, names in FIELDS.items() for name in names.split() if "_at" in name]


def plain(cls, **given):
    return cls(**{**NEEDED.get(cls, {}), **given})


@pytest.mark.parametrize("cls", FIELDS, ids=lambda cls: cls.__name__)
def test_the_fields_and_their_order(cls):
    assert [field.name for field in attrs.fields(cls)] == FIELDS[cls].split()
    assert issubclass(cls, JobState)
    assert STATES[cls.kind] is cls


@pytest.mark.parametrize("cls", FIELDS, ids=lambda cls: cls.__name__)
def test_it_is_now_by_default(cls):
    before = datetime.now(UTC)
    first = getattr(plain(cls), FIELDS[cls].split()[0])
    assert before <= first <= datetime.now(UTC)
    assert first.tzinfo is UTC


def test_the_other_defaults():
    assert Enqueued().queue == "default"
    assert Processing(worker_id="w").server_name == ""
    assert (Succeeded().total_duration_ms, Succeeded().result) == (0, None)
    assert (Failed().exception, Failed().stack_trace, Failed().retry_count) == ("", "", 0)
    assert Deleted().reason is None
    assert Scheduled(enqueue_at=MOMENT).reason is None
    waiting = AwaitingRetry(retry_at=MOMENT)
    assert (waiting.retry_count, waiting.last_exception) == (0, "")


@pytest.mark.parametrize("cls", FIELDS, ids=lambda cls: cls.__name__)
def test_states_are_frozen(cls):
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(plain(cls), FIELDS[cls].split()[0], MOMENT)


@pytest.mark.parametrize(("cls", "name"), TIMES)
def test_a_naive_time_is_refused(cls, name):
    with pytest.raises(ConfigurationError, match=f"^{name} is .*naive.*Give an aware one"):
        plain(cls, **{name: NAIVE})


@pytest.mark.parametrize(("cls", "name"), TIMES)
@pytest.mark.parametrize("wrong", [None, 5, "2031-05-06T00:00:00+00:00", MOMENT.date()])
def test_a_time_is_a_datetime(cls, name, wrong):
    with pytest.raises(ConfigurationError, match=f"^{name} is .*give an aware datetime"):
        plain(cls, **{name: wrong})


@pytest.mark.parametrize(("cls", "name"), TIMES)
def test_a_time_elsewhere_is_kept_in_utc(cls, name):
    there = MOMENT.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    kept = getattr(plain(cls, **{name: there}), name)
    assert kept == MOMENT
    assert kept.tzinfo is UTC


@pytest.mark.parametrize(("cls", "name"), [(Scheduled, "enqueue_at"), (AwaitingRetry, "retry_at")])
def test_the_time_of_a_wait_must_be_given(cls, name):
    with pytest.raises(ConfigurationError, match=f"{name} is None"):
        cls()


def test_somebody_must_hold_a_processing_job():
    with pytest.raises(ConfigurationError, match="worker_id"):
        Processing(server_name="s")


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Enqueued, "queue"),
        (Processing, "worker_id"),
        (Processing, "server_name"),
        (Failed, "exception"),
        (Failed, "stack_trace"),
        (AwaitingRetry, "last_exception"),
    ],
)
@pytest.mark.parametrize("wrong", [7, b"x", None])
def test_texts_are_texts(cls, name, wrong):
    with pytest.raises(ConfigurationError, match=f"{cls.__name__} {name} is .*; give text"):
        plain(cls, **{name: wrong})


def test_a_result_is_json_of_its_own():
    mine = {"a": [1, (2, 3)]}
    state = Succeeded(result=mine)
    mine["a"].append(4)
    assert state.result == {"a": [1, [2, 3]]}
    with pytest.raises(SerializationError, match=r"^result\['a'\]\[1\] is an object"):
        Succeeded(result={"a": [0, object()]})


@pytest.mark.parametrize("kind", StateKind)
def test_a_kind_is_a_text(kind):
    assert kind == kind.value == str(kind) == f"{kind}" == kind.name.lower()
    assert {kind: 1}[kind.value] == 1
    assert json.dumps(kind) == f'"{kind.value}"'


@given(strategies.states())
def test_a_state_survives_its_object(state):
    text = json.dumps(state_to_dict(state))
    again = state_from_dict(json.loads(text))
    assert again == state
    assert type(again) is type(state)
    assert repr(again) == repr(state).replace(", fold=1", "")  # -0.0 and 1.0 are what they were


@pytest.mark.parametrize(
    ("given_filter", "found"),
    [
        (None, None),
        ("failed", ("failed",)),
        (StateKind.FAILED, ("failed",)),
        (Failed, ("failed",)),
        (Failed(), ("failed",)),
        ([], ()),
        (["failed", StateKind.ENQUEUED, Deleted, Failed()], ("failed", "enqueued", "deleted")),
        ({"deleted"}, ("deleted",)),
        ((kind for kind in ("scheduled",)), ("scheduled",)),
    ],
)
def test_filters(given_filter, found):
    result = kinds(given_filter)
    assert result == found
    assert all(type(kind) is StateKind for kind in result or ())


@pytest.mark.parametrize("wrong", ["", "Failed", "done", ["failed", "x"], 5, JobState, int, [None]])
def test_a_wrong_filter_lists_the_right_ones(wrong):
    with pytest.raises(ConfigurationError, match="state filter") as caught:
        kinds(wrong)
    assert repr(wrong) in str(caught.value)
    assert all(kind.value in str(caught.value) for kind in StateKind)


@pytest.mark.parametrize(
    ("cls", "name", "wrong"),
    [
        (Succeeded, "total_duration_ms", "x"),
        (Succeeded, "total_duration_ms", float("nan")),
        (Failed, "retry_count", "x"),
        (AwaitingRetry, "retry_count", None),
        (Deleted, "reason", object()),
        (Scheduled, "reason", 5),
        (Processing, "worker_id", "lone \ud800"),
    ],
)
def test_what_no_storage_could_keep_is_refused(cls, name, wrong):
    with pytest.raises((ConfigurationError, SerializationError), match=name):
        plain(cls, **{name: wrong})
