"""``qml schedules``: list the recurring jobs; add, pause, resume, remove and trigger them."""

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..storage.schedules import Schedules
from ..values import jsontext, records
from ..values.cron import Cron
from ..values.errors import ConfigurationError, SerializationError
from ..values.job import Job
from ..values.schedule import CATCH_UP, Every, Schedule
from ..values.texts import as_json, complain, plain, say, table, terminal_width
from . import codes, settings, stores
from .figures import when
from .logs import warnings_of_qml
from .settings import Setting
from .verbs import add_group, add_verb, each

GIVEN = (stores.URL, stores.JSON)

ADDING = (
    stores.URL,
    Setting("timezone", "QML_TIMEZONE", settings.text, "UTC", "of --cron (UTC)", "ZONE"),
    Setting(
        "catch_up",
        "QML_CATCH_UP",
        settings.one_of(*CATCH_UP),
        "one",
        f"missed slots: {', '.join(CATCH_UP)} (one)",
        "HOW",
        choices=CATCH_UP,
    ),
    Setting(
        "overlap",
        "QML_OVERLAP",
        settings.switch,
        True,
        "no: skip a slot while the job before has not ended (yes)",
    ),
    Setting(
        "spread",
        "QML_SPREAD",
        settings.seconds(0, "give seconds, 0 or more"),
        0.0,
        "issue up to so many seconds after the slot (0)",
        "SECONDS",
    ),
)


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    about = "list, add, pause, resume, remove and trigger recurring jobs"
    verbs = add_group(commands, "schedules", about, listed, GIVEN)
    add_verb(verbs, "list", "all recurring jobs, by name", listed, GIVEN)
    _add_adding(verbs)
    for name, about, change in (
        ("pause", "issue nothing until resume", _pause),
        ("resume", "go on after a pause", _resume),
        ("remove", "forget schedules; their jobs stay", _remove),
        ("trigger", "enqueue a job of a schedule now", _trigger),
    ):
        verb = add_verb(verbs, name, about, _each, (stores.URL,))
        verb.add_argument("names", metavar="NAME", nargs="+")
        verb.set_defaults(change=change)


def _add_adding(verbs: Any) -> None:
    about = "have a task called again and again; a name that is known is changed"
    parser = add_verb(verbs, "add", about, added, ADDING)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("method", metavar="METHOD", help="the task, such as app.report")
    rule = parser.add_mutually_exclusive_group(required=True)
    rule.add_argument("--cron", metavar="RULE", help="such as '0 9 * * 1-5', or @daily")
    rule.add_argument("--every", metavar="SECONDS", type=float, help="such as 300")
    parser.add_argument("--args", metavar="JSON", default="[]", help="a list for the task")
    parser.add_argument("--kwargs", metavar="JSON", default="{}", help="an object for the task")
    parser.add_argument("--queue", metavar="QUEUE", default="default", help="of its jobs (default)")


def _open(arguments: argparse.Namespace) -> Any:
    return stores.open_existing(arguments.url)


def listed(arguments: argparse.Namespace) -> int:
    """Print all schedules."""
    with warnings_of_qml(complain), _open(arguments) as storage:
        found, now = storage.schedules.list(), storage.now()
    if arguments.json:
        say(as_json([_as_dict(schedule) for schedule in found]))
    elif not found:
        say("No schedule.")
    else:
        for line in _table(found, now):
            say(line)
    return codes.DONE


def _as_dict(schedule: Schedule) -> dict[str, Any]:
    fields: dict[str, Any] = records.to_dict(schedule)
    fields["job"] = json.loads(schedule.job.to_json())
    return {**fields, "rule": str(schedule.rule), "next_at": records.to_dict(schedule.next_at)}


def _table(found: list[Schedule], now: datetime) -> list[str]:
    rows = [
        (
            one.name,
            one.rule,
            one.job.method,
            _next(one, now),
            when(one.last_slot, now) if one.last_slot else "-",
            _note(one),
        )
        for one in found
    ]
    return table(
        ("NAME", "RULE", "TASK", "NEXT", "LAST", "NOTE"),
        rows,
        flexible=("NAME", "RULE", "TASK", "NOTE"),
        optional=("NOTE", "LAST"),
        width=terminal_width(),
    )


def _next(schedule: Schedule, now: datetime) -> str:
    if schedule.paused:
        return "paused"
    at = schedule.next_at
    return "never" if at is None else when(at, now) if at > now else "due"


def _note(schedule: Schedule) -> str:
    if schedule.next_at is None and not schedule.paused:
        return "its rule has no time any more"
    return f"no job last time: {schedule.skipped}" if schedule.skipped else ""


def added(arguments: argparse.Namespace) -> int:
    """Add or change a schedule."""
    rule: Cron | Every
    if arguments.cron is not None:
        rule = Cron(arguments.cron, arguments.timezone)
    else:
        rule = Every(arguments.every)
    job = Job(
        arguments.method,
        _json("--args", arguments.args),
        _json("--kwargs", arguments.kwargs),
        queue=arguments.queue,
    )
    with warnings_of_qml(complain), _open(arguments) as storage:
        new = storage.schedules.add(
            arguments.name,
            rule,
            job,
            catch_up=arguments.catch_up,
            overlap=arguments.overlap,
            spread=arguments.spread,
        )
        now = storage.now()
    say(f"{plain(new.name)}  {plain(new.rule)}, next {_next(new, now)}")
    return codes.DONE


def _json(flag: str, text: str) -> Any:
    try:
        return jsontext.loads(text)
    except SerializationError:
        raise ConfigurationError(f"{flag} is {text!r}; give JSON") from None


def _pause(found: Schedules, name: str) -> str:
    found.pause(name)
    return "paused"


def _resume(found: Schedules, name: str) -> str:
    found.resume(name)
    return "resumed"


def _remove(found: Schedules, name: str) -> str:
    if not found.remove(name):
        raise ConfigurationError(f"there is no schedule {name!r}")
    return "removed"


def _trigger(found: Schedules, name: str) -> str:
    return f"triggered, job {found.trigger(name).id}"


def _each(arguments: argparse.Namespace) -> int:
    """Change each schedule that is named; a refusal does not stop the others."""
    change: Callable[[Schedules, str], str] = arguments.change
    with warnings_of_qml(complain), _open(arguments) as storage:
        return each(arguments.names, lambda name: change(storage.schedules, name))
