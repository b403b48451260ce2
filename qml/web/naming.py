"""Where a text tells the value of a name: ``password='x'``, ``"key": 1``, ``?token=x``."""

import re
from collections.abc import Iterator

_NAME = re.compile(
    r"""(?<![\w.-]) (?: --(?P<flag>[\w-]{1,100}) ["']?,?[ ]+
      | (?P<name>[\w.-]{1,100}) \\{0,3}["']?\]? \s* (?:=>|:=|[:=]) \s* )""",
    re.VERBOSE,
)
"""A name with its sign, as messages, source lines, JSON in a text and command lines have them."""

_QUOTED = r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' """

_VALUE = re.compile(
    rf"""\[redacted\] | (?:Bearer|Basic|Token) \s+ [^\s,;"']+ | Digest \s [^\n]*
      | \\{{1,3}}(?P<mark>["']) .{{0,2000}}? \\{{1,3}}(?P=mark)
      | [bfru]{{0,2}} (?: (?P<marks>\"\"\"|''') .{{0,2000}}? (?P=marks) | {_QUOTED} )
      | [^\s,;&)}}\]]+ (?: ;[ ]* [\w.-]+= [^\s,;&)}}\]]+ )* """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_ANNOTATED = re.compile(r"[ ]*=(?![=>])[ ]*")
"""Between a name's type and its value, as in ``password: str = "x"``."""

_STEP = re.compile(rf"{_QUOTED} | [()\[\]{{}}]", re.VERBOSE | re.DOTALL)

_LONGEST = 500
"""Characters in which a bracket is looked for that closes another."""


def names(text: str) -> Iterator[tuple[str, int]]:
    """Each name that a text tells the value of, and where that begins; those in values, too."""
    for found in _NAME.finditer(text):
        yield found["flag"] or found["name"], found.end()


def value_end(text: str, begin: int) -> int:
    """Where the value ends that begins there; there, if there is none."""
    end = _end(text, begin)
    between = _ANNOTATED.match(text, end)
    return _end(text, between.end()) if between else end


def _end(text: str, begin: int) -> int:
    found = _VALUE.match(text, begin)
    if found is None:
        return begin
    end = found.end()
    if text[begin] in "\"'\\" or found[0] == "[redacted]":
        return end
    depth = 0
    for step in _STEP.finditer(text, begin, begin + _LONGEST):
        if step.start() >= end and depth == 0:
            return end
        depth += (step[0] in "([{") - (step[0] in ")]}")
        if depth < 0:
            return end
        if depth == 0:
            end = max(end, step.end())
    if depth == 0:
        return end
    line = text.find("\n", end)
    return line if line >= 0 else len(text)
