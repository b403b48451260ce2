"""What the address of a page asks for: which jobs, told in words, and as an address again."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from ..values import searching
from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import StateKind
from . import faults
from .redaction import Shown

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]{0,3})")


def seconds(text: str, name: str) -> float | None:
    """A span such as 90, 15m, 2h or 7d in seconds; None for nothing."""
    if not text:
        return None
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise ConfigurationError(f"{name} is {text!r}; give a span such as 90s, 15m, 2h or 7d")
    return float(found[1]) * _UNITS[found[2]]


@attrs.frozen(kw_only=True)
class Asked:
    """Jobs in ``states``, of ``queue``, ``method`` and ``batch``, with these ``ids``, with ``text``
    in what is shown of their arguments, whose last ``error`` is this one, ``older`` or ``newer``
    than a span as it was written."""

    states: tuple[str, ...] = ()
    queue: str = ""
    method: str = ""
    batch: str = ""
    ids: tuple[str, ...] = ()
    text: str = ""
    error: str = ""
    older: str = ""
    newer: str = ""

    @property
    def where(self) -> JobFilter:
        """As the store is asked. Not for the text: in the store it would also be found in what is
        hidden, and so could be guessed letter by letter."""
        return JobFilter(
            states=self.states or None,
            queue=self.queue or None,
            method=self.method or None,
            batch=self.batch or None,
            older_than=seconds(self.older, "older than"),
            newer_than=seconds(self.newer, "newer than"),
        )

    def passes(self, shown: Shown) -> bool:
        """Whether what is shown of a job's arguments and error is as it was asked for."""
        if self.error and not faults.has(shown, self.error):
            return False
        return not self.text or searching.contains([shown.arguments, shown.kwargs], self.text)

    def is_over(self, jobs: Sequence[Job], now: datetime) -> bool:
        """Whether none that are older than these can be meant: they come in the order in which they
        were enqueued, give or take the clocks of those who did."""
        newest = seconds(self.newer, "newer than")
        return newest is not None and all(
            (now - job.created_at).total_seconds() > newest + CLOCKS_APART for job in jobs
        )

    @property
    def looks_within(self) -> bool:
        """Whether jobs have to be read to tell which are meant."""
        return bool(self.text or self.error or self.newer or self.older)

    @property
    def parameters(self) -> dict[str, Any]:
        """As parameters of an address: ids in one text, as people write them, or where one has a
        space in it, each by itself."""
        given = attrs.asdict(self, recurse=False)
        given["state"] = list(given.pop("states"))
        ids = given.pop("ids")
        if all(one.split() == [one] for one in ids):
            given["id"] = " ".join(ids)
        else:
            given["pick"] = list(ids)
        return {name: value for name, value in given.items() if value}

    def without(self, name: str) -> dict[str, Any]:
        """The parameters but one."""
        left_out = ("id", "pick") if name == "id" else (name,)
        return {other: value for other, value in self.parameters.items() if other not in left_out}

    def toggled(self, state: str) -> dict[str, Any]:
        """The parameters with one state more, or less."""
        left = [known for known in self.states if known != state]
        states = left if state in self.states else [*left, state]
        return attrs.evolve(self, states=tuple(states)).parameters

    @property
    def words(self) -> list[tuple[str, str, str]]:
        """What is asked for beside states: the parameter, its name in words, its value."""
        labels = {
            "queue": "queue", "method": "method", "batch": "batch", "text": "arguments contain",
            "error": "error", "older": "older than", "newer": "newer than",
        }  # fmt: skip
        told = [(name, label, getattr(self, name)) for name, label in labels.items()]
        return [("id", "id", " ".join(self.ids)), *told] if self.ids else told


def asked(given: Any) -> Asked:
    """What an address or a form asks for; ConfigurationError where it cannot be. ``given``: a
    MultiDict."""
    texts = {name: given.get(name, "").strip() for name in ("text", "older", "newer")}
    names = {name: given.get(name, "") for name in ("queue", "method", "batch", "error")}
    known = [kind.value for kind in StateKind]
    states = tuple(dict.fromkeys(given.getlist("state")))
    if not set(states) <= set(known):
        raise ConfigurationError(f"state is none of {', '.join(known)}")
    for name, value in {**texts, **names}.items():
        if "\0" in value:
            raise ConfigurationError(f"{name} has a NUL in it, as no name has")
    typed = given.get("id", "").replace("\0", " ").split()
    ids = several([*typed, *given.getlist("pick")])
    found = Asked(states=states, ids=ids, **texts, **names)
    seconds(found.newer, "newer than")
    _ = found.where  # says what is wrong
    return found


def several(ids: Sequence[str]) -> tuple[str, ...]:
    """Each id once; ConfigurationError where there are too many: none is left out unsaid."""
    once = tuple(dict.fromkeys(ids))
    if len(once) > MOST_IDS:
        raise ConfigurationError(f"id names {len(once):,} jobs; give {MOST_IDS} at most")
    return once


MOST_IDS = 200

CLOCKS_APART = 3_600
"""Seconds by which clocks of those who enqueue may differ and no job be missed."""


def number(given: Mapping[str, str], name: str, default: int, choices: Sequence[int]) -> int:
    """One of some numbers; the default for anything else."""
    named = {str(choice): choice for choice in choices}
    return named.get(given.get(name, ""), default)
