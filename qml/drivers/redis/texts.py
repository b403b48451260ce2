"""Rows, orders and verdicts as the scripts read and write them: JSON arrays of texts.

Only texts, since cjson keeps 14 digits of a number; false for an empty column of a row. A time is
20 digits that sort as it does.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...seam.lanes import Used
from ...seam.rows import Change, Claim, Finished, Hold, Move, Overdue, Row, Verdict, Write, as_row
from ...seam.tallies import Parents, Tally
from ...values import jsontext

Texts = list[Any]

Answer = bytes | list[bytes]
"""What a script answers: JSON; or that, and the large texts of its rows, see rows.lua."""

LARGE = 4_000
"""Letters of a text that does not go into the JSON of an order."""

ROOM, SMALL = 100_000, 100
"""Letters of all the texts in the JSON of an order, from which on only small ones go into it: a
server takes no word that is longer than its proto-max-bulk-len, which may be as little as 1 MiB."""

VERDICTS = {"d": Verdict.DONE, "s": Verdict.STALE, "g": Verdict.GONE, "t": Verdict.TAKEN}

_BIAS = 10**19
SEQ, RANK, TIME = 16, 10, 20  # digits

_TIMES = {"lease_until", "due_at", "finished_at", "purge_at", "expires_at", "created_at"}
_NUMBERS = {"version", "priority", "attempt", "fence", "max_attempts", "ahead", "key_held"}


def moment(micros: int) -> str:
    """A time as 20 digits that sort as it does, from before 1970 to beyond the year 9999."""
    return f"{micros + _BIAS:0{TIME}d}"


def micros(text: str) -> int:
    """The time of 20 digits."""
    return int(text) - _BIAS


def seq_text(seq: int | None) -> str | None:
    """A seq as digits that sort as it does."""
    return None if seq is None else f"{seq:0{SEQ}d}"


# Made once: the function of json makes one with each call.
_decode = json.JSONDecoder(strict=False).decode


def rank(priority: int) -> str:
    """A priority as digits that sort the highest first, see rows.lua."""
    return f"{2**31 - priority:0{RANK}d}"


def dumps(order: Any) -> bytes:
    """An order for a script."""
    return jsontext.dumps(order).encode()


def loads(answer: Answer) -> Any:
    """A script's answer. A damaged text is read as far as it can be: one bad record must not stop
    the others."""
    return _decode(_text(answer[0] if isinstance(answer, list) else answer))


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


class Beside(list[bytes]):
    """The large texts of an order: they are sent after its JSON, as they are."""

    def __init__(self) -> None:
        super().__init__()
        self._within = 0

    def put(self, text: str) -> str | int:
        """A text as it stands in the order; a large one as its place, see calls.lua."""
        if len(text) <= (LARGE if self._within < ROOM else SMALL):
            self._within += len(text)
            return text
        self.append(text.encode())
        return len(self) + 4  # after what names the call, and the JSON


UNWRITTEN = {"failures": "[]", "metadata": "{}", "notes": ""}
"""Texts that say nothing: a new row has no field for them, which costs room and time."""


def _flag(value: int) -> str | bool:
    return str(value) if value else False


def _writer(column: str) -> Callable[[Any], str | bool | None] | None:
    if column in _TIMES:
        return moment
    if column in _NUMBERS or column == "max_retries":
        return str
    if column == "timeout_seconds":
        return repr
    if column == "needs_all":
        return _flag
    return seq_text if column == "seq" else None


def _reader(column: str) -> Callable[[str], Any] | None:
    if column in _TIMES:
        return micros
    if column in _NUMBERS or column in ("max_retries", "needs_all", "seq"):
        return int
    return float if column == "timeout_seconds" else None


_NEEDS_ALL, _TEXTS = map(Row._fields.index, ("needs_all", "detail"))
_WRITERS = tuple(map(_writer, Row._fields[:_TEXTS]))
_READERS = tuple(map(_reader, Row._fields[:_TEXTS]))
_NOTHING = tuple(map(UNWRITTEN.get, Row._fields[_TEXTS:]))
_PAYLOAD, _NOTES = (Row._fields.index(column) - _TEXTS for column in ("payload", "notes"))

_HERE = (False, False)
"""What the scripts add to a row: whether it is ripe, and whether it has to do with others."""


def row_texts(row: Row, beside: Beside) -> tuple[Texts, Texts]:
    """A row's columns, and its texts; see rows.lua."""
    texts: Texts = [*row[_TEXTS:]]
    return columns(row), [
        text != nothing and beside.put(text) for text, nothing in zip(texts, _NOTHING, strict=True)
    ]


def columns(row: Row) -> Texts:
    """A row's columns, and two more that a script fills in: see rows.lua."""
    values = zip(row, _WRITERS, strict=False)  # without the texts
    written = [
        False if value is None else value if write is None else write(value)
        for value, write in values
    ]
    return [*written, *_HERE]


def row_of(given: tuple[Texts, Texts], answer: Answer) -> Row:
    """The row of what a script gives in its answer: its columns and its texts."""
    columns, texts = given
    if isinstance(answer, list):
        texts = [_text(answer[text]) if type(text) is int else text for text in texts]
    values = [
        None if text is False else text if read is None else read(text)
        for text, read in zip(columns, _READERS, strict=False)  # without what the scripts added
    ]
    values[_NEEDS_ALL] = values[_NEEDS_ALL] or 0
    detail, failures, metadata, payload, notes = texts
    failures = UNWRITTEN["failures"] if failures is False else failures
    metadata = UNWRITTEN["metadata"] if metadata is False else metadata
    return as_row([*values, detail, failures, metadata, payload, notes or ""])


def rows_of(given: Iterable[tuple[Texts, Texts]], answer: Answer) -> list[Row]:
    """The rows of what a script gives in its answer."""
    return [row_of(texts, answer) for texts in given]


def _time_text(time: int | None) -> str | None:
    return None if time is None else moment(time)


def insert_texts(
    rows: Sequence[Row], record: Write | None, parents: Sequence[Parents], beside: Beside
) -> Texts:
    """New rows, a record that is written with them, and what some of them wait for."""
    written = record and [record.name, record.body, str(record.expected)]
    waits = [
        [
            str(one.index),
            one.ids and list(dict.fromkeys(one.ids)),
            json.dumps(rows[one.index].awaits),
        ]
        for one in parents
    ]
    return [[row_texts(row, beside) for row in rows], written, waits]


def change_texts(change: Change, beside: Beside) -> Texts:
    """A guarded change, its guards first; and what follows a move."""
    if isinstance(change, Move):
        guards = (seq_text(change.seq), str(change.version), _time_text(change.lapsed_by))
        texts = (beside.put(change.detail), beside.put(change.failures))
        ends, then = str(int(change.ends_lease)), [row_texts(row, beside) for row in change.then]
        return ["move", change.id, *guards, _moved(change), texts, ends, then]
    new: Texts = [*change.row[_TEXTS:]]  # over what may be written there
    new[_NOTES] = False
    if change.keeps_payload:
        new[_PAYLOAD] = False
    new = [text and beside.put(text) for text in new]
    guards, keeps_lease = (seq_text(change.seq), str(change.version), None), change.keeps_lease
    return ["rewrite", change.row.id, *guards, columns(change.row), new, str(int(keeps_lease))]


def _moved(move: Move) -> Texts:
    """In the order of MOVED in swap.lua."""
    times = (move.due_at, move.finished_at, move.purge_at)
    return [
        *(move.state, str(move.attempt), str(move.max_attempts), str(move.ahead)),
        *(False if time is None else moment(time) for time in times),
        False if move.key_held is None else str(move.key_held),
    ]


def hold_texts(hold: Hold, beside: Beside) -> Texts:
    """A renewal or a lock."""
    fence = None if hold.fence is None else str(hold.fence)
    times = (moment(hold.now), moment(hold.until))
    notes = hold.notes and beside.put(hold.notes)
    return [hold.id, seq_text(hold.seq), hold.worker, fence, *times, notes]


def erase_texts(target: Finished | Overdue | Sequence[str], limit: int) -> Texts:
    """Ids; or the sorted set that tells when rows may go, and by when."""
    if isinstance(target, Finished):
        return [str(limit), None, f"finished:{target.state}", moment(target.by)]
    if isinstance(target, Overdue):
        return [str(limit), None, "leaving", moment(target.by)]
    return [str(limit), list(target)]


def let_go_texts(job_id: str, worker: str, now: int, claim: tuple[int, int] | None) -> Texts:
    """The end of a hold, or of one claim's, known by seq and fence."""
    seq, fence = (None, None) if claim is None else (seq_text(claim[0]), str(claim[1]))
    return [job_id, worker, moment(now), seq, fence]


def claim_texts(claim: Claim) -> Texts:
    """A claim. A queue named twice counts once."""
    queues = None if claim.queues is None else list(dict.fromkeys(claim.queues))
    times = (moment(claim.now), moment(claim.lease_until))
    return [claim.worker, *times, str(claim.limit), str(claim.ahead), claim.detail, queues]


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """Names and values of what the protocol gives as one list."""
    return zip(flat[::2], flat[1::2], strict=True)


def verdicts(answer: bytes) -> list[Verdict]:
    """A letter for each order."""
    return [VERDICTS[letter] for letter in answer.decode()]


def total_parts(total: bytes) -> tuple[str, str, str]:
    """State, queue and method of what rows are counted under, see total_of in places.lua."""
    _, state, queue, rest = total.split(b" ", 3)
    ends = (int(state), int(state) + int(queue))
    parts: Sequence[bytes] = (rest[: ends[0]], rest[ends[0] : ends[1]], rest[ends[1] :])
    return tuple(part.decode("utf-8", "replace") for part in parts)  # type: ignore[return-value]


def grouped(name: str) -> str:
    """A name as the beginning of a member, see rows.lua."""
    return f"{len(name.encode())}:{name}"


def tally_texts(name: str, more: bool | None, failed: int | None) -> Texts:
    """What a tally is told; None = as it is."""
    return [name, None if more is None else str(int(more)), None if failed is None else str(failed)]


def tally_of(stored: bytes | None) -> Tally | None:
    """A tally as it is stored; nothing, or an empty text: it is not there."""
    if not stored:
        return None
    left, more, failed = map(int, stored.split())
    return Tally(left, bool(more), failed)


def used_of(live: Sequence[int], paced: Sequence[str]) -> Used:
    """What of some limits is used, as used.lua tells it."""
    return Used(list(live), [micros(time) if time else 0 for time in paced])
