"""Laws of recurring jobs: each slot has its job once, and a schedule loses its place to nobody.

What is due is counted here one slot after the other, from the rule as it stands in the record: of
cron rules those alone that say nothing but "every n minutes", by UTC.
"""

import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ...seam.rows import Row
from .calls import FINAL, Broken, Call, arrived, set_once

MINUTE = 60_000_000

ABSENT = 60_000_000
"""A slot that nobody issued for so many microseconds counts as missed."""


MOVES = ("next_slot", "last_slot", "last_job", "skipped")
"""What an issue changes in a record."""


TRUE_CLOCKS = ("adds", "resumes")
"""What clients do, whose clocks are never behind."""


class Issue(NamedTuple):
    """One step of a schedule: its record before and after, its place before and after, the slots
    that were given jobs, and up to when slots were due for it (None = no job tells)."""

    was: Mapping[str, Any]
    now: Mapping[str, Any]
    place: int
    following: int
    slots: list[int]
    until: int | None


def slots_move_with_their_jobs(call: Call) -> Broken:
    """The jobs of a schedule's slots are stored with its new place, in one step."""
    if call.who.acts != "issues":
        return
    for row in arrived(call):
        found = set_once(row)
        place = call.place
        if place is None or place.name != found.get("schedule"):
            yield f"{row.id} came without a step of its schedule {found.get('schedule')}"
        elif not _place(place.was) <= found["slot"] < _place(place.now):
            yield f"{row.id} has the slot {found['slot']}, which the step did not pass"


def _place(record: Mapping[str, Any] | None) -> int:
    if record is None or record["next_slot"] is None:
        return 1 << 62  # no slot is ever passed
    return micros(record["next_slot"])


def slots_go_by_the_rule(call: Call) -> Broken:
    """A schedule issues each slot that has come, or the latest, or none, as its policy says."""
    issue = _issue(call)
    if issue is None:
        return
    if issue.was["paused"]:
        yield f"{issue.was['name']} is paused"
    others = [
        name for name in issue.was if name not in MOVES and issue.was[name] != issue.now[name]
    ]
    if others:
        yield f"{', '.join(others)} of {issue.was['name']} changed"
    until = issue.until
    if until is None:  # it has passed what came before its new place, at least
        until = max(_between(issue.was["rule"], issue.place, issue.following - 1), default=0)
    due = _between(issue.was["rule"], issue.place, until)
    if not due or until > call.now - offset(issue.was):
        yield f"{issue.was['name']} went on from {issue.place} at {call.now}, before its time"
        return
    following = next(after(issue.was["rule"], until))
    if issue.following != following:
        yield f"{issue.was['name']} goes on at {issue.following}, and not at {following}"
    yield from _misissued(call, issue, _wanted(issue.was, due, until))


def _wanted(was: Mapping[str, Any], due: list[int], until: int) -> list[int]:
    if was["catch_up"] == "all" and was["overlap"]:
        return due
    missed = was["catch_up"] == "none" and until - due[0] > ABSENT
    return [] if missed else due[-1:]


def _misissued(call: Call, issue: Issue, wanted: list[int]) -> Broken:
    there = {
        found["slot"]
        for found in map(set_once, call.before.values())
        if found.get("schedule") == issue.was["name"]
    }
    left_out = [slot for slot in wanted if slot not in issue.slots and slot not in there]
    others = [slot for slot in issue.slots if slot not in wanted]
    if others:
        yield f"{issue.was['name']} issued {others}; due are {wanted}"
    if left_out and not _may_be_left_out(call, issue):
        yield f"{issue.was['name']} left out {left_out}"


def _may_be_left_out(call: Call, issue: Issue) -> bool:
    """Whether it may have looked while the job before ran, or so late that the slot was missed."""
    due_at = issue.place + offset(issue.was)
    if issue.slots:
        return False
    if issue.was["catch_up"] == "none" and call.now - due_at > ABSENT:
        return True
    if issue.was["overlap"] or issue.was["last_job"] is None:
        return False
    before = call.before.get(issue.was["last_job"])
    ended = call.place and call.place.ended
    runs = before is not None and before.state not in FINAL
    return runs or ended is None or ended > due_at


def _issue(call: Call) -> Issue | None:
    place = call.place
    if call.verb != "insert" or place is None or place.was is None or place.now is None:
        return None
    fresh = arrived(call)
    return Issue(
        was=place.was,
        now=place.now,
        place=micros(place.was["next_slot"]),
        following=_place(place.now),
        slots=[set_once(row)["slot"] for row in fresh],
        until=fresh[0].created_at - offset(place.was) if fresh else None,
    )


def places_are_kept(call: Call) -> Broken:
    """A schedule that is changed keeps its place, unless its rule is another or its pause ends."""
    place = call.place
    if call.verb != "write" or place is None or place.now is None:
        return
    was, now = place.was, place.now
    found = micros(now["next_slot"])
    begins = was is None or was["rule"] != now["rule"] or (was["paused"] and not now["paused"])
    if was is not None and not begins and was["next_slot"] != now["next_slot"]:
        yield f"{place.name} was at {was['next_slot']} and is at {now['next_slot']}"
    if begins and next(after(now["rule"], call.now)) < found:
        yield f"{place.name} begins at {now['next_slot']}, and leaves slots out"
    if begins and call.who.acts in TRUE_CLOCKS and found <= (call.who.since or 0):
        yield f"{place.name} begins at {now['next_slot']}, which is over"
    if begins and found not in _between(now["rule"], found, found):
        yield f"{place.name} begins at {now['next_slot']}, which is no time of its rule"


def none_overlap(call: Call) -> Broken:
    """A schedule that must not overlap issues no job before the end of its last."""
    place = call.place
    if call.verb == "insert" and place is not None and place.was and not place.was["overlap"]:
        before: Row | None = call.before.get(place.was["last_job"] or "")
        fresh = arrived(call)
        if len(fresh) > 1:
            yield f"{place.name} has {len(fresh)} jobs at once"
        if fresh and before is not None and place.ended is None:
            yield f"{place.name} has its next job, and {before.id} is {before.state}"


# -- what a rule says, slowly ------------------------------------------------------------------


def offset(record: Mapping[str, Any]) -> int:
    """How long after its slot a schedule's job is issued, in microseconds."""
    spread: float = record["spread"]
    return round(spread * zlib.crc32(record["name"].encode()) / 2**32 * 1_000_000)


def micros(text: str) -> int:
    """A time in a record, in microseconds since 1970."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def after(rule: Mapping[str, Any], when: int) -> Iterator[int]:
    """Each slot later than ``when``."""
    if "every" in rule:
        period, slot = round(rule["every"] * 1_000_000), micros(rule["start"])
        while True:
            slot += period
            if slot > when:
                yield slot
    first, *rest = rule["cron"].split()
    step = 1 if first == "*" else int(first.removeprefix("*/"))
    if rest != ["*"] * 4 or rule["timezone"] != "UTC":
        raise ValueError(f"this law knows no cron rule {rule}")
    minute = when // MINUTE + 1
    while True:
        if minute % 60 % step == 0:
            yield minute * MINUTE
        minute += 1


def _between(rule: Mapping[str, Any], first: int, last: int) -> list[int]:
    slots = []
    for slot in after(rule, first - 1):
        if slot > last:
            break
        slots.append(slot)
    return slots
