"""Settings of a command: the flag decides, else its environment variable, else the default."""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..values.errors import ConfigurationError


@attrs.frozen
class Setting:
    """One setting. ``convert`` makes its value from text, or raises ValueError with the remedy;
    ``bare``: the text that the flag stands for when none follows it, None = one has to;
    ``choices``: the only texts there are."""

    name: str
    env: str
    convert: Callable[[str], Any]
    default: Any
    says: str
    metavar: str | None = None
    bare: str | None = None
    choices: tuple[str, ...] | None = None

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Give ``parser`` the flag (``--name``), or with ``convert=switch`` the flag and its no."""
        help_text = f"{self.says} [{self.env}]".replace("%", "%%")
        flag = f"--{self.name.replace('_', '-')}"
        if self.convert is switch:
            action = argparse.BooleanOptionalAction
            parser.add_argument(flag, action=action, default=None, help=help_text)
        elif self.bare is not None:
            parser.add_argument(
                flag, nargs="?", const=self.bare, metavar=self.metavar, help=help_text
            )
        else:
            parser.add_argument(flag, metavar=self.metavar, choices=self.choices, help=help_text)

    def value(self, given: Any, environment: os._Environ[str] | dict[str, str]) -> Any:
        """What holds; a ConfigurationError names the flag or variable at fault."""
        if isinstance(given, bool):
            return given
        text, source = given, f"--{self.name.replace('_', '-')}"
        if text is None:
            text, source = environment.get(self.env) or None, self.env
        if text is None:
            return self.default
        try:
            return self.convert(text)
        except ValueError as error:
            raise ConfigurationError(f"{source} is {text!r}; {error}") from None


def add(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    """Give ``parser`` these settings; ``fill`` finds them by the arguments it parsed."""
    for setting in settings:
        setting.add_to(parser)
    parser.set_defaults(settings=(*(parser.get_default("settings") or ()), *settings))


def fill(arguments: argparse.Namespace) -> None:
    """Put what holds in the place of what was given."""
    for setting in getattr(arguments, "settings", ()):
        given = getattr(arguments, setting.name)
        setattr(arguments, setting.name, setting.value(given, os.environ))


def text(given: str) -> str:
    """Any text."""
    return given


def switch(given: str) -> bool:
    """Yes or no."""
    answers = {"1": True, "true": True, "yes": True, "on": True}
    answers |= {"0": False, "false": False, "no": False, "off": False}
    if given.strip().lower() not in answers:
        raise ValueError("give 1 or 0")
    return answers[given.strip().lower()]


def one_of(*choices: str) -> Callable[[str], str]:
    """One of these texts."""

    def convert(given: str) -> str:
        if given not in choices:
            raise ValueError(f"give one of {', '.join(choices)}")
        return given

    return convert


def number(low: int, high: int = 10**9) -> Callable[[str], int]:
    """A whole number, ``low`` or more, at most ``high``."""

    def convert(given: str) -> int:
        remedy = f"give a whole number, {low} or more"
        if high < 10**9:
            remedy = f"give a whole number from {low} to {high}"
        try:
            value = int(given)
        except ValueError:
            raise ValueError(remedy) from None
        if not low <= value <= high:
            raise ValueError(remedy)
        return value

    return convert


def seconds(low: float, remedy: str) -> Callable[[str], float]:
    """A span in seconds, ``low`` or more."""

    def convert(given: str) -> float:
        try:
            value = float(given)
        except ValueError:
            raise ValueError(remedy) from None
        if not low <= value < 1e9:
            raise ValueError(remedy)
        return value

    return convert


def queues(given: str) -> list[str] | dict[str, int]:
    """Names with commas between them, or all of them with a number of threads each."""
    found = names(given)
    parts = [name.rpartition(":") for name in found]
    if not any(colon and number.isdecimal() for _, colon, number in parts):
        return found
    if not all(name and number.isdecimal() and int(number) for name, _, number in parts):
        raise ValueError("give each queue a number of threads, 1 or more, as in mail:3,bulk:1")
    if len({name for name, _, _ in parts}) < len(parts):
        raise ValueError("give each queue once")
    return {name: int(number) for name, _, number in parts}


def names(given: str) -> list[str]:
    """Names with commas between them."""
    found = [name.strip() for name in given.split(",")]
    if not all(found):
        raise ValueError("give names with commas between them, such as mail,default")
    return found
