"""Schedules: when they run next, what they ran last, and what they missed."""

from datetime import datetime

import attrs
from flask import Response, request

from ...values.errors import ConfigurationError, QmlError, StorageUnavailable
from ...values.schedule import Schedule
from .. import answering, paths
from ..board import Board
from ..redaction import Shown

SLOTS = 4
"""Slots to come that are shown."""


@attrs.frozen
class Line:
    """A schedule, what of its job may be shown, and when it runs next."""

    schedule: Schedule
    shown: Shown
    slots: list[datetime]


def schedules(board: Board) -> Response:
    """The page."""
    storage = board.storage.schedules
    known = board.looks.at("schedules", storage.list)
    readable = {schedule.name for schedule in known}
    prefix = "schedule/"
    broken = [
        record.name.removeprefix(prefix)
        for record in board.looks.at("schedule records", storage.records)
        if record.name.removeprefix(prefix) not in readable
    ]
    found = [Line(one, board.shown(one.job), _slots(one)) for one in known]
    return answering.page(board, "schedules.html", lines=found, broken=broken)


def _slots(schedule: Schedule) -> list[datetime]:
    """When the next jobs are issued, as far as it is known now."""
    slots: list[datetime] = []
    slot = None if schedule.paused else schedule.next_slot
    while slot is not None and len(slots) < SLOTS:
        slots.append(slot + schedule.offset)
        slot = schedule.rule.next_after(slot)
    return slots


def change(board: Board) -> Response:
    """Pause a schedule, go on with it, or enqueue a job of it now."""
    name, verb = request.form.get("name", ""), request.form.get("verb", "")
    if verb not in ("trigger", "pause", "resume"):
        raise ConfigurationError(f"nothing can be done with a schedule by the name of {verb!r}")
    found = board.storage.schedules
    try:
        if verb == "trigger":
            job = found.trigger(name)
            return answering.done(
                board, f"Enqueued a job of {name} now.", paths.to("job", id=job.id)
            )
        if verb == "pause":
            found.pause(name)
            message = f"Schedule {name} is paused."
        else:
            found.resume(name)
            message = f"Schedule {name} goes on."
    except StorageUnavailable:
        raise
    except QmlError as error:  # there is none of this name, or another job has the key of its jobs
        return answering.done(board, str(error), paths.to("schedules"), well=False)
    finally:
        board.looks.forget()
    return answering.done(board, message, paths.to("schedules"))
