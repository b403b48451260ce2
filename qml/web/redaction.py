"""What the dashboard does not show: values under telling names, wherever they turn up again."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from ..values.errors import ConfigurationError
from ..values.job import Job
from . import naming

REDACTED = (
    r"passw", r"passphrase", r"\bpwd\b", r"secret", r"token", r"api[-_ ]?key", r"access[-_ ]?key",
    r"private[-_ ]?key", r"authorization", r"credential", r"cookie", r"session[-_ ]?id",
)  # fmt: skip
"""Patterns of names whose values are not shown: regular expressions, sought anywhere in the name of
an argument or of an item, whatever its case."""

MARK = "[redacted]"

DEEPEST = 60
"""Levels of a value that are shown; Python's JSON would end some hundreds further down."""

_SHORTEST = 4
"""Characters of a redacted text that is hidden wherever else it stands; a shorter one stands for
too many other things."""

MOST = 300
"""Hidden texts of a job that are sought in its other texts; of a job with more those are hidden,
too: seeking thousands would take a page minutes."""

_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_LOGIN = re.compile(r"(://[^/\s:@]{0,200}:)[^\s/]{1,500}@")


def _compiled(patterns: Any) -> "re.Pattern[str]":
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        raise ConfigurationError(
            f"dashboard redact is {patterns!r}; give a sequence of regular expressions"
        )
    try:
        for pattern in patterns:
            re.compile(pattern)
        whole = "|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)"
        return re.compile(whole, re.IGNORECASE)
    except (re.error, TypeError) as error:
        raise ConfigurationError(
            f"dashboard redact is {patterns!r}; give regular expressions: {error}"
        ) from None


@attrs.frozen
class Redaction:
    """Hides by ``names``: patterns as ``REDACTED`` has them."""

    names: "re.Pattern[str]" = attrs.field(converter=_compiled)

    def of(self, job: Job, parameters: Sequence[str] = ()) -> "Shown":
        """A job as it may be shown. ``parameters``: names of its positional arguments; one that
        has none goes by its number, 0 for the first."""
        names = [*parameters, *map(str, range(len(parameters), len(job.arguments)))]
        given = list(zip(names, job.arguments, strict=False))
        secrets: set[str] = set()
        for value in (dict(given), job.kwargs, job.metadata, job.notes.steps):
            secrets.update(self._hidden(value))
        result = getattr(job.state, "result", None)
        secrets.update(self._hidden(result))
        long = (s for s in secrets if len(s) >= _SHORTEST)
        found = sorted({form for s in long for form in _forms(s)}, key=len, reverse=True)
        return Shown(self, job, tuple(given), tuple(found))

    def _hidden(self, root: Any) -> Iterator[str]:
        """The texts and numbers below names that are not shown."""
        levels: list[tuple[Any, bool]] = [(root, False)]
        while levels:
            value, hidden = levels.pop()
            if isinstance(value, dict):
                levels += [(v, hidden or self.hides(name)) for name, v in value.items()]
            elif isinstance(value, list):
                levels += [(item, hidden) for item in value]
            elif hidden and value is not None and not isinstance(value, bool):
                yield str(value)

    def hides(self, name: str) -> bool:
        """Whether values of this name are not shown."""
        return self.names.search(name) is not None

    def text(self, text: str) -> str:
        """A text without the values that stand beside such names in it, and without logins."""
        text = _LOGIN.sub(rf"\1{MARK}@", text) if "://" in text else text
        return _BEARER.sub(rf"\1 {MARK}", self._without_values(text))

    def _without_values(self, text: str) -> str:
        parts, done = [], 0
        for name, begin in naming.names(text):
            if begin >= done and self.hides(name):
                end = naming.value_end(text, begin)
                parts += [text[done:begin], MARK if end > begin else ""]
                done = end
        return "".join([*parts, text[done:]])

    def value(self, value: Any, text: Callable[[str], str], level: int = 0) -> Any:
        """A JSON value as it may be shown; ``text`` says what becomes of the texts in it."""
        if isinstance(value, str):
            return text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            plain = str(value)
            return value if text(plain) == plain else text(plain)
        if isinstance(value, list | dict) and value and level == DEEPEST:
            return "[nested too deeply to be shown]"
        if isinstance(value, list):
            return [self.value(item, text, level + 1) for item in value]
        if isinstance(value, dict):
            return {
                text(name): MARK if self.hides(name) else self.value(item, text, level + 1)
                for name, item in value.items()
            }
        return value


def _forms(secret: str) -> tuple[str, ...]:
    """A text as it is, and as Python and JSON write it in another."""
    return secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], _json(secret)[1:-1]


@attrs.frozen
class Shown:
    """What of a ``job`` may be shown. ``given``: its positional arguments with their names;
    ``secrets``: what is hidden wherever it stands, the longest first."""

    by: Redaction
    job: Job
    given: tuple[tuple[str, Any], ...]
    secrets: tuple[str, ...]

    @property
    def arguments(self) -> list[Any]:
        """The positional arguments."""
        return [MARK if self.by.hides(name) else self.value(v) for name, v in self.given]

    @property
    def named_arguments(self) -> list[tuple[str, Any]]:
        """The positional arguments with their names, or numbers."""
        return [(name, value) for (name, _), value in zip(self.given, self.arguments, strict=True)]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return dict(self.value(self.job.kwargs))

    @property
    def call(self) -> str:
        """The arguments in one line: what a search for a text looks at."""
        named = [f"{name}={_json(value)}" for name, value in self.kwargs.items()]
        return ", ".join([*map(_json, self.arguments), *named])

    def value(self, value: Any) -> Any:
        """A value of the job: its result, metadata, a step."""
        return self.by.value(value, self.text)

    def text(self, text: str) -> str:
        """A text of the job: an exception, a traceback, a line of its log."""
        if len(self.secrets) > MOST:
            return MARK
        for secret in self.secrets:
            text = text.replace(secret, MARK)
        return self.by.text(text)

    def named(self, value: Any) -> Mapping[str, Any]:
        """The items of an object."""
        return dict(self.value(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
