"""Stores and rules with one mistake each in what jobs share: what the simulation must find."""

from qml.drivers import lanes
from qml.drivers.memory import claiming, guards, table
from qml.drivers.memory.driver import MemoryDriver
from qml.drivers.memory.lanes import Hints
from qml.drivers.memory.tallies import Tallies
from qml.seam import lanes as rates
from qml.storage import rules
from qml.values.states import Succeeded


def a_limit_is_not_asked(patch):
    patch.setattr(lanes._Gates, "_held", lambda gates, permit: [])


def a_limit_is_one_too_high(patch):
    """The claim forgets what it has taken itself."""
    use = lanes._Gates.use

    def forgetful(gates, row):
        use(gates, row)
        gates._leases.clear()

    patch.setattr(lanes._Gates, "use", forgetful)


def a_lapsed_claim_lives_again(patch):
    """Though another has its permit by now."""
    patch.setattr(guards, "_may_live_again", lambda table, row, now: True)


def an_end_opens_no_lane(patch):
    """What waits for a permit is not looked at again."""
    patch.setattr(Hints, "reopen_of", lambda hints, permit: None)


def a_rate_is_not_asked(patch):
    patch.setattr(rates, "opens_at", lambda lane, paced: 0)


def a_rate_begins_anew_with_each_start(patch):
    """Those that were given out ahead of now are forgotten."""
    patch.setattr(rates, "started", lambda lane, paced, now: now + (lane.gap or 0))


def a_pause_is_not_asked(patch):
    take = claiming.take
    patch.setattr(
        "qml.drivers.memory.driver.claiming.take",
        lambda rows, claim, paused: take(rows, claim, frozenset()),
    )


def a_resume_is_not_stored(patch):
    """The record is removed, as the storage sees it."""
    write = MemoryDriver.write

    def forgetful(driver, name, body, expected):
        if name.startswith("paused/") and body is None:
            return guards.Verdict.DONE
        return write(driver, name, body, expected)

    patch.setattr(MemoryDriver, "write", forgetful)


def the_last_wakes_nobody(patch):
    patch.setattr(table.Table, "wake", lambda rows, over: [*over])


def an_open_batch_is_over(patch):
    """Once none is left of those that have come so far."""
    inserted = Tallies.inserted

    def hasty(tallies, row):
        inserted(tallies, row)
        for name, tally in tallies._known.items():
            tallies._known[name] = tally._replace(open=False)

    patch.setattr(Tallies, "inserted", hasty)


def a_failure_is_no_matter(patch):
    """Who needs the success of all starts in any case."""
    woken = table.woken
    patch.setattr(table, "woken", lambda row, failed: woken(row, 0))


def a_retry_takes_nothing_back(patch):
    """A job that failed and is tried again counts as ended."""
    changed = Tallies.changed

    def once(tallies, before, after):
        if before.finished_at is None or after is None or after.finished_at is not None:
            yield from changed(tallies, before, after)

    patch.setattr(Tallies, "changed", once)


def nothing_follows_on_a_success(patch):
    following = rules.following

    def seldom(job, state):
        return () if isinstance(state, Succeeded) else following(job, state)

    patch.setattr(rules, "following", seldom)


FAULTS = [
    value
    for name, value in vars().copy().items()
    if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")
]
