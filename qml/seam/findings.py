"""What an examination of a store finds: facts, each weighed."""

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How bad it is. The order counts."""

    OK = 0  # as it should be
    NOTE = 1  # worth knowing; nothing to do
    WARNING = 2  # a promise is weaker than it could be
    ERROR = 3  # a promise does not hold, or qml cannot work there


class Finding(NamedTuple):
    """One fact: what was looked at, in a word or two; what is the case; what to do about it."""

    severity: Severity
    topic: str  # such as "durability"
    fact: str
    remedy: str = ""


Findings = list[Finding]
