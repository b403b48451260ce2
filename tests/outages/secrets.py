"""All that an error can tell whoever prints it, and that no password is among it."""

import traceback
from urllib.parse import quote

from .stores import SECRET


def chain(error: BaseException | None) -> list[BaseException]:
    """The error, what it came from, and what it came from in turn, hidden or not."""
    found: list[BaseException] = []
    ahead = [error]
    while ahead:
        each = ahead.pop()
        if each is not None and each not in found:
            found.append(each)
            ahead += [each.__cause__, each.__context__]
    return found


def told(error: BaseException) -> str:
    """Every text of it."""
    texts = ["".join(traceback.format_exception(error))]
    for each in chain(error):
        texts += [str(each), repr(each), repr(each.args), repr(vars(each))]
    return "\n".join(texts)


def shows_secret(text: str) -> bool:
    """Whether the password is in it, as it is, as a URL has it, or in part."""
    return any(part in text for part in (SECRET, quote(SECRET, safe=""), SECRET[:5]))
