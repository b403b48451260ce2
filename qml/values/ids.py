"""Ids that sort by the time they were made: UUID version 7 (RFC 9562, section 5.7)."""

import os
import time

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_BYTES = 10  # random ones for each id
_AHEAD = 64


class _Ahead:
    """The random ends of ids, drawn for some ids ahead: to ask the kernel costs as much as all the
    rest, and lets go of the interpreter's lock. Shared by threads; a forked child draws its own."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.pid = 0


_ahead = _Ahead()


def _tails(count: int) -> list[str]:
    digits = os.urandom(_BYTES * count).hex()
    noise = [digits[at : at + 2 * _BYTES] for at in range(0, len(digits), 2 * _BYTES)]
    return [f"7{n[:3]}-{_VARIANT[n[3]]}{n[4:7]}-{n[7:19]}" for n in noise]


def _head() -> str:
    millis = f"{time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF:012x}"
    return f"{millis[:8]}-{millis[8:]}-"


def new_id() -> str:
    """A fresh UUIDv7 as text: 48 bits of milliseconds, then 74 random bits."""
    if _ahead.pid != os.getpid():
        _ahead.drawn, _ahead.pid = [], os.getpid()
    drawn = _ahead.drawn
    while True:
        try:
            return _head() + drawn.pop()
        except IndexError:
            drawn += _tails(_AHEAD)


def new_ids(count: int) -> list[str]:
    """So many of them, the smallest first: an index of ids grows at its end."""
    if count == 1:
        return [new_id()]
    head = _head()
    return sorted([head + tail for tail in _tails(count)])
