"""How soon after an outage the store was at work again."""

from bisect import bisect

import attrs

from .history import History, common


@attrs.frozen
class Recovery:
    """Seconds: how long servers were ``away``; from each return until the first job was finished;
    and until each process that lived through the outage had an answer."""

    away: list[float]
    finish: list[float]
    answers: list[float]


def recovery(history: History) -> Recovery:
    """Of all outages. Where another came first, only the time with the server there counts."""
    finishes = sorted(
        note["at"]
        for claims in history.claims.values()
        for claim in claims
        for note in claim.ended
        if note["verdict"] == "done" and note["state"] == "succeeded"
    )
    found = Recovery([], [], [])
    for outage in history.outages:
        found.away.append((outage.up - outage.down) / 1e6)
        found.finish.extend(_next(history, finishes, outage.up))
        for life in history.lives.values():
            if life.born < outage.up:
                found.answers.extend(_next(history, life.answers, outage.up))
    return found


def _next(history: History, times: list[int], moment: int) -> list[float]:
    """How long after ``moment`` the next of these is, if there is one."""
    place = bisect(times, moment)
    if place == len(times):
        return []
    after = (moment, times[place])
    return [sum(common(after, window) for window in history.windows()) / 1e6]
