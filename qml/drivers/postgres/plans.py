"""Statements that a session plans once: to plan a claim takes five times as long as to do it."""

import hashlib
import re
from typing import NamedTuple

PARAMETER = re.compile(r"%%|%\((\w+)\)s")


class Plan(NamedTuple):
    """A statement as a whole; and in parts: what has a session plan it, and what carries it out."""

    whole: str
    name: str
    prepare: str
    execute: str


def plan(name: str, text: str, prepare: str, execute: str) -> Plan:
    """Of a statement, and the forms of its parts. Its name in a session is that of no other text:
    behind a pooler, a session may have been asked to plan something before."""
    parameters = [*dict.fromkeys(found for found in PARAMETER.findall(text) if found)]
    numbers = {parameter: f"${number}" for number, parameter in enumerate(parameters, 1)}
    unique = f"qml_{name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    given = ", ".join(f"%({parameter})s" for parameter in parameters)
    numbered = PARAMETER.sub(lambda found: numbers.get(found[1], found[0]), text)
    return Plan(
        text,
        unique,
        prepare.replace("{plan}", unique).replace("{numbered}", numbered),
        execute.replace("{plan}", unique).replace("{given}", given),
    )
