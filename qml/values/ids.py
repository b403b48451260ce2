"""Ids that sort by the time they were made: UUID version 7 (RFC 9562, section 5.7)."""

import os
import time

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_BYTES = 10  # random ones for each id


def new_id() -> str:
    """A fresh UUIDv7 as text: 48 bits of milliseconds, then 74 random bits."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """So many of them, the smallest first: an index of ids grows at its end."""
    millis = f"{time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF:012x}"
    begin = f"{millis[:8]}-{millis[8:]}-7"
    digits = os.urandom(_BYTES * count).hex()
    noise = [digits[at : at + 2 * _BYTES] for at in range(0, len(digits), 2 * _BYTES)]
    return sorted(f"{begin}{n[:3]}-{_VARIANT[n[3]]}{n[4:7]}-{n[7:19]}" for n in noise)
