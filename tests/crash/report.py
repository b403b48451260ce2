"""A run in figures, and the verdict on it in words."""

import statistics
from collections import Counter

from qml.testing.history import Verdict

from .case import Case
from .history import Claim, History, Run
from .recovery import recovery

SHOWN = 5
"""Faults of a kind that are printed."""


def report(case: Case) -> str:
    """The run in figures, so that a verdict on too little is seen as such."""
    history = case.history
    states = Counter(stored.state for stored in case.stored.values())
    figures = {
        "processes": len(history.lives),
        **_of_calls(case),
        "jobs in the store": ", ".join(f"{n} {state}" for state, n in states.items()),
        **_of_claims([claim for claims in history.claims.values() for claim in claims]),
        **_of_runs([run for runs in history.runs.values() for run in runs]),
        **_of_outages(history),
        **_of_checked(case.checked),
        "done after the last kill in": "never" if case.drained is None else f"{case.drained:.1f} s",
    }
    return "\n".join(f"  {name:<30} {value}" for name, value in figures.items())


def _of_calls(case: Case) -> dict[str, int]:
    calls = case.history.calls
    acked = {job for call in calls if call.stored for job in call.jobs}
    refused = {job for call in calls if call.taken for job in call.jobs}
    unknown = {job for call in calls for job in call.jobs} - acked - refused
    return {
        "jobs acknowledged": len(acked),
        "  begun, fate unknown": len(unknown),
        "  of these in the store": len(unknown & case.stored.keys()),
        "  refused": len(refused),
    }


def _of_claims(claims: list[Claim]) -> dict[str, int]:
    ended = [note for claim in claims for note in claim.ended]
    return {
        "claims noted": len(claims),
        "  renewals of them": sum(len(claim.renewals) for claim in claims),
        "  rescued": sum(note["rescue"] and note["verdict"] == "done" for note in ended),
        "  stale ends refused": sum(
            not note["rescue"] and note["verdict"] != "done" for note in ended
        ),
    }


def _of_runs(runs: list[Run]) -> dict[str, int]:
    return {
        "runs": len(runs),
        "  cut short by a kill": sum(run.ended is None for run in runs),
        "  that were repeats": len(runs) - len({run.job for run in runs}),
    }


def _of_outages(history: History) -> dict[str, object]:
    if not history.outages:
        return {}
    found = recovery(history)
    return {
        "outages": dict(Counter(outage.how for outage in history.outages)),
        "  the server was away": _spread(found.away),
        "  back to the first finish": _spread(found.finish),
        "  back to each first answer": _spread(found.answers),
        "  calls that failed": sum(len(life.misses) for life in history.lives.values()),
    }


def _of_checked(checked: Verdict | None) -> dict[str, int]:
    if checked is None:
        return {}
    return {
        "calls in the history": checked.operations,
        "  without an answer": checked.unknown,
        "  of jobs": checked.jobs,
        "  of these not decided": checked.undecided,
    }


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    return f"p50 {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s"


def verdict(found: list[tuple[str, str]], kills: int, server_kills: int = 0) -> str:
    """The faults, or what their absence says: by the rule of three, 3/n bounds the rate of an
    event not seen in n independent tries, at 95 % confidence."""
    if not found:
        made = {"kill": kills, "server kill": server_kills}
        made = {what: times for what, times in made.items() if times}
        none = " and ".join(f"{times} {what}{'s' * (times > 1)}" for what, times in made.items())
        bounds = " and ".join(
            f"1 {what} in {max(1, times / 3):.0f}" for what, times in made.items()
        )
        return (
            f"PASSED: no fault in {none}; by the rule of three, with 95 % confidence, less than "
            f"{bounds} does harm"
        )
    lines = [f"REJECTED: {len(found)} faults"]
    for rule, times in Counter(rule for rule, _ in found).most_common():
        sentences = [sentence for name, sentence in found if name == rule]
        lines.append(f"  {rule} ({times}):")
        lines += [f"    {sentence}" for sentence in sentences[:SHOWN]]
    return "\n".join(lines)
