"""Keys made from the arguments of a call: ``unique_by``, and templates such as "user:{user_id}"."""

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import attrs

from ..values import jsontext
from ..values.errors import ConfigurationError, InvalidArguments, SerializationError

UniqueBy = Literal[True] | tuple[str, ...]
"""True = by all arguments; or the names of those that count."""

LONGEST = 200
"""Characters of a key made from arguments; of a longer one the end is a hash."""

Bound = Mapping[str, Any]
"""A call by parameter, defaults filled in."""

_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    separators=(",", ":"),
    sort_keys=True,
).encode

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def unique_by(given: Any) -> UniqueBy | None:
    """What ``unique_by`` says, checked as far as it can be without the task."""
    if given is None or given is True:
        return given
    if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
        return tuple(given)
    raise ConfigurationError(
        f"unique_by is {given!r}; give a list of the names of parameters, such as ['user_id'], or "
        "True for all"
    )


class Keys:
    """What the jobs of a task have for keys, by the task's options. ConfigurationError at once for
    a parameter that the task does not have, or whose default could never be part of a key."""

    def __init__(
        self,
        task: str,
        signature: inspect.Signature,
        by: UniqueBy | None,
        templates: Mapping[str, str | None],
    ) -> None:
        self._makers: dict[str, Callable[[Bound], str]] = {}
        parameters = _Parameters(task, signature.parameters)
        if by is not None:
            names = parameters.named("unique_by", parameters.all if by is True else by)
            self._makers["unique_key"] = lambda bound: unique_key(task, parameters.of(bound, names))
        for option, text in templates.items():
            if text is not None:
                self._makers[option] = _Template(option, text, parameters).key

    def __bool__(self) -> bool:
        """Whether any is made from arguments."""
        return bool(self._makers)

    def of(self, call: inspect.BoundArguments) -> dict[str, str]:
        """The keys of a call, by field of the job; SerializationError for an argument that JSON
        cannot keep, InvalidArguments for one that makes no key."""
        call.apply_defaults()
        return {field: make(call.arguments) for field, make in self._makers.items()}


def unique_key(task: str, arguments: Mapping[str, Any]) -> str:
    """The key of a call: equal if and only if the task and all ``arguments``, which are JSON, are,
    and that includes their types. The order of an object's keys does not matter."""
    return shortened(canonical([task, arguments]))


def shortened(text: str) -> str:
    """A text as a key: each store can index it, and no two have one key."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}...{hashlib.sha256(text.encode()).hexdigest()}"


def canonical(value: Any) -> str:
    """The JSON text of a value, the keys of objects sorted at every level."""
    try:
        return _encode(value)
    except RecursionError as error:
        raise SerializationError("arguments are nested too deeply to make a key of them") from error


@attrs.frozen
class _Parameters:
    """The parameters of a task. ``*args`` and ``**kwargs`` are one each: a list, and an object."""

    task: str
    found: Mapping[str, inspect.Parameter]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self.found)

    def named(self, option: str, names: Iterable[str]) -> tuple[str, ...]:
        """These names, each once; a ConfigurationError says which there are, or whose default
        JSON cannot keep."""
        for name in names:
            if name not in self.found:
                there = f"there are {', '.join(self.found)}" if self.found else "it has none"
                raise self._wrong(option, f"names {name!r}, which is no parameter; {there}")
            default = self.found[name].default
            if default is not inspect.Parameter.empty:
                try:
                    jsontext.checked(default, f"the default of {name}")
                except SerializationError as error:
                    raise self._wrong(option, f"cannot be: {error}") from error
        return tuple(dict.fromkeys(names))

    def _wrong(self, option: str, what: str) -> ConfigurationError:
        return ConfigurationError(f"task {self.task}: {option} {what}")

    def of(self, bound: Bound, names: Iterable[str]) -> dict[str, Any]:
        """The arguments of these parameters, as JSON keeps them."""
        return {
            name: jsontext.checked(bound[name], f"task {self.task}: argument {name}")
            for name in names
        }


class _Template:
    """A text with names of parameters in braces; a brace that is meant as such is doubled."""

    def __init__(self, option: str, text: str, parameters: _Parameters) -> None:
        self._option, self._text, self._parameters = option, text, parameters
        self._parts = list(self._parsed())
        self._names = parameters.named(option, [name for _, name in self._parts if name])

    def _parsed(self) -> Iterable[tuple[str, str | None]]:
        """Pieces of text, each with the name that comes after it."""
        begin = 0
        for token in _TOKEN.finditer(self._text):
            before, begin = self._text[begin : token.start()], token.end()
            if token[0] in ("{{", "}}"):
                yield before + token[0][0], None
            elif token[1] and token[1].isidentifier():
                yield before, token[1]
            else:
                raise ConfigurationError(
                    f"task {self._parameters.task}: {self._option} is {self._text!r}, and "
                    f"{token[0]!r} is no name of a parameter in braces; give one such as "
                    "{user_id}, and double a brace that is meant as such"
                )
        yield self._text[begin:], None

    def key(self, bound: Bound) -> str:
        """The text for a call: of a str itself, of any other value its JSON."""
        values = self._parameters.of(bound, self._names)
        texts = {
            name: value if type(value) is str else canonical(value)
            for name, value in values.items()
        }
        made = "".join(before + (texts[name] if name else "") for before, name in self._parts)
        if not made or "\0" in made:
            call = ", ".join(f"{name}={value!r:.80}" for name, value in values.items())
            raise InvalidArguments(
                f"task {self._parameters.task}: {self._option} {self._text!r} makes no key of "
                f"{call}: a key is text that is not empty and has no NUL in it"
            )
        return shortened(made)
