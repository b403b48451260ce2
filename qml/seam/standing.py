"""How a job stands <-> columns of its row: the name of its state, the data, what they bring."""

from collections.abc import Mapping, Set
from typing import Any, NamedTuple

import attrs

from ..values import jsontext, trusted
from ..values.errors import SerializationError
from ..values.retention import Retention
from ..values.states import STATES, JobState, Processing, StateKind
from ..values.times import from_micros, span_micros, to_micros


class _Form(NamedTuple):
    """How states of a kind are written: the text that names it, and which of its data are times;
    of these the one from which a claim may take the job, and the one at which it ended."""

    name: str
    times: tuple[str, ...]
    due: str | None
    ended: str | None

    def data(self, state: JobState) -> dict[str, Any]:
        """The data of such a state as JSON has them, times as microseconds; but for who holds the
        job, which stands in a column of its own."""
        data = {**vars(state)}
        for name in self.times:
            data[name] = to_micros(data[name])
        data.pop("worker_id", None)
        return data


_READY = StateKind.ENQUEUED

_DUE = {StateKind.SCHEDULED: "enqueue_at", StateKind.AWAITING_RETRY: "retry_at"}

_ENDED = {
    StateKind.SUCCEEDED: "succeeded_at",
    StateKind.FAILED: "failed_at",
    StateKind.DELETED: "deleted_at",
}


def _form(kind: StateKind, cls: type[JobState]) -> _Form:
    times = tuple(field.name for field in attrs.fields(cls) if field.name.endswith("_at"))
    return _Form(kind.value, times, _DUE.get(kind), _ENDED.get(kind))


# By the kind, which is a text, too.
_CLASSES: Mapping[str, type[JobState]] = {kind.value: cls for kind, cls in STATES.items()}

_FORMS: Mapping[str, _Form] = {kind: _form(kind, cls) for kind, cls in STATES.items()}

_NAMES: Mapping[str, Set[str]] = {
    kind: {field.name for field in attrs.fields(cls)} for kind, cls in STATES.items()
}


class Standing(NamedTuple):
    """The columns of a row that say how its job stands."""

    state: str
    detail: str
    due_at: int | None
    finished_at: int | None
    purge_at: int | None


def standing(state: JobState, retention: Retention | None) -> Standing:
    """How a job in this state stands, whose own ``retention`` is this."""
    kind = state.kind
    name, _, due, ended = form = _FORMS[kind]
    data = form.data(state)
    since = data[due] if due else 0 if kind is _READY else None
    until = data[ended] if ended else None
    return Standing(name, jsontext.dumps(data), since, until, purge_at(kind, until, retention))


def due_at(state: JobState) -> int | None:
    """The moment from which a claim may take a job in this state. None = no claim may."""
    if state.kind is StateKind.ENQUEUED:
        return 0
    name = _FORMS[state.kind].due
    return None if name is None else to_micros(getattr(state, name))


def purge_at(kind: StateKind, ended: int | None, retention: Retention | None) -> int | None:
    """When a job of this kind is to be removed that ``ended`` then, by a retention of its own."""
    if retention is None or ended is None:
        return None
    return ended + span_micros(getattr(retention, kind.value))


def encode_claim(now: int, server_name: str) -> str:
    """The data, as text, of the state that a claim made now gives its jobs."""
    return jsontext.dumps({"started_at": now, "server_name": server_name})


def decode_state(kind: str, detail: str, worker: str | None) -> JobState:
    """The state of a row. SerializationError when it cannot be read."""
    try:
        data = jsontext.loads(detail)
        cls = _CLASSES[kind]
        for name in _FORMS[kind].times:
            data[name] = from_micros(data[name])
        if cls is Processing:
            data["worker_id"] = worker
        if data.keys() != _NAMES[kind]:
            raise SerializationError(f"state {kind} has other parts than it should: {detail[:200]}")
        return trusted.make(cls, data)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SerializationError(f"state {kind}: {error}") from error
