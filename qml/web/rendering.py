"""Templates: an environment of their own, which escapes everything and knows words for moments."""

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jinja2
from flask import url_for
from markupsafe import Markup, escape

from ..cli.figures import when
from ..values.figures import counted, milliseconds, span
from ..values.states import StateKind
from . import paths
from .redaction import MARK

LONGEST = 20_000
"""Characters of a value that are shown; what a page shows has an end, too."""

NOTHING = "\N{EN DASH}"
"""Where there is nothing to show."""

WORDS = {
    StateKind.ENQUEUED: "enqueued",
    StateKind.SCHEDULED: "scheduled",
    StateKind.AWAITING_RETRY: "to retry",
    StateKind.PROCESSING: "running",
    StateKind.SUCCEEDED: "succeeded",
    StateKind.FAILED: "failed",
    StateKind.DELETED: "deleted",
}
"""The states as pages name them, in the order in which they are listed."""


def moment(at: datetime | None, now: datetime) -> Markup:
    """A moment seen from ``now``, which the script keeps up to date, and in full where pointed
    at."""
    if at is None:
        return Markup(f'<span class="none">{NOTHING}</span>')
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", when(at, now)
    )


def pretty(value: Any) -> str:
    """A JSON value in lines; one that is hidden as it is."""
    return value if value == MARK else cut(json.dumps(value, ensure_ascii=False, indent=2), LONGEST)


def compact(value: Any) -> str:
    """A JSON value in one line."""
    return json.dumps(value, ensure_ascii=False)


def cut(text: str, length: int) -> str:
    """A text, or its beginning and how much more there is."""
    left = len(text) - length
    return text if left <= 0 else f"{text[:length]}… ({counted(left, 'more character')})"


def first_line(text: str) -> str:
    """What a list has room for."""
    return cut(text.strip().partition("\n")[0], 200)


def last_part(name: str) -> Markup:
    """A dotted name whose last part stands out, with places where it may be broken."""
    head, dot, tail = name.rpartition(".")
    before = Markup('<span class="dim">{}</span>').format(head + dot) if head else Markup("")
    return before + Markup("<wbr>") + escape(tail)


@functools.cache
def static(name: str) -> tuple[bytes, str]:
    """A file that pages load, and a short text that changes with it."""
    content = (importlib.resources.files(__package__) / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def _static_url(name: str) -> str:
    return url_for(".static_file", name=name, v=static(name)[1])


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("qml.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # they do not change: no look at the file for each page
    )
    made.filters |= {
        "moment": moment,
        "pretty": pretty,
        "compact": compact,
        "cut": cut,
        "first_line": first_line,
        "last_part": last_part,
        "milliseconds": milliseconds,
        "span": span,
        "number": "{:,}".format,
    }
    made.globals |= {"to": paths.to, "static_url": _static_url, "counted": counted, "WORDS": WORDS}
    return made


ENVIRONMENT = _environment()
"""Not the app's: its templates, filters and settings change nothing here."""


def prepare() -> None:
    """Read all templates now: else the first who asks for a page waits for it (0.1 s in all)."""
    for name in ENVIRONMENT.list_templates(["html"]):
        ENVIRONMENT.get_template(name)


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of a template."""
    return ENVIRONMENT.get_template(template).render(context)
