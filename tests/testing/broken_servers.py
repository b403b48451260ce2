"""Servers with one mistake each: what the simulation must find."""

from qml.storage import changes, claims, rules, upkeep
from qml.values.errors import StorageError
from qml.work.chores import Keeper, Upkeep
from qml.work.claimer import Claimer
from qml.work.finisher import Finisher


def nobody_renews(patch):
    patch.setattr(Keeper, "renew", lambda keeper: None)


def nobody_rescues(patch):
    patch.setattr(Upkeep, "rescue", lambda upkeep: None)


def rescue_asks_no_lease_as_it_writes(patch):
    """It looks for orphans, and then takes whom it saw, though he has renewed since."""

    def forgetful(job, lost_ahead, policy, now):
        move, state = rescue(job, lost_ahead, policy, now)
        return move._replace(lapsed_by=None), state

    rescue = rules.rescue
    patch.setattr(rules, "rescue", forgetful)


def rescue_charges_what_never_started(patch):
    rescue = rules.rescue
    patch.setattr(rules, "rescue", lambda job, ahead, *rest: rescue(job, False, *rest))


def rescue_tries_for_ever(patch):
    patch.setattr(rules, "_next_try", lambda job, why, policy, now: rules.Enqueued())


def outcomes_go_by_worker_alone(patch):
    """The same worker may have claimed the job again since."""

    def same(row, job):
        return row.worker == job.state.worker_id

    patch.setattr(claims, "is_same_claim", same)


def outcomes_go_by_state_alone(patch):
    """Whoever runs the job, it is finished."""
    patch.setattr(claims, "is_same_claim", lambda row, job: row.state == "processing")


def an_id_is_enough(patch):
    """A job deleted and enqueued again is taken for the old one."""

    def same(row, job):
        return (row.worker, row.fence) == (job.state.worker_id, job.fence)

    move = rules.move
    patch.setattr(claims, "is_same_claim", same)
    patch.setattr(rules, "move", lambda *a, **k: move(*a, **k)._replace(seq=None))


def a_hand_back_is_charged(patch):
    release = rules.release

    def charging(job, due, now):
        move, state = release(job, due, now)
        return move._replace(attempt=job.attempt), state

    patch.setattr(rules, "release", charging)


def a_hand_back_keeps_the_lease(patch):
    release = rules.release

    def keeping(job, due, now):
        move, state = release(job, due, now)
        return move._replace(ends_lease=False), state

    patch.setattr(rules, "release", keeping)


def a_finish_keeps_the_key(patch):
    finish = rules.finish

    def keeping(*given):
        move, state = finish(*given)
        return move._replace(key_held=None), state

    patch.setattr(rules, "finish", keeping)


def a_retry_has_no_attempt_left(patch):
    retry = rules.retry

    def stingy(job, now):
        move, state = retry(job, now)
        return move._replace(max_attempts=job.max_attempts), state

    patch.setattr(rules, "retry", stingy)


def a_cancel_ends_the_lease(patch):
    cancel = rules.cancel

    def ending(job, reason, now):
        move, state = cancel(job, reason, now)
        return move._replace(ends_lease=True), state

    patch.setattr(rules, "cancel", ending)


def an_update_compares_nothing(patch):
    update = changes.update

    def blind(driver, job, *rest):
        [row] = driver.load([job.id])
        newest = claims.attrs.evolve(job, version=row.version if row else job.version)
        return update(driver, newest, *rest)

    patch.setattr(changes, "update", blind)


def a_task_begins_unasked(patch):
    """A server that stood still past its lease goes on as if nothing were."""
    patch.setattr(Claimer, "may_begin", lambda claimer, run: True)


def an_unanswered_question_counts_as_yes(patch):
    may_begin = Claimer.may_begin

    def trusting(claimer, run):
        held = may_begin(claimer, run)
        return held or run.job.fence == 1

    patch.setattr(Claimer, "may_begin", trusting)


def an_outcome_is_dropped_when_the_store_fails(patch):
    """And its run is held, and renewed, for ever."""
    record = Finisher.record

    def careless(finisher, batch):
        try:
            record(finisher, batch)
        except StorageError:
            finisher.recorded += len(batch)

    patch.setattr(Finisher, "record", careless)


def a_stop_forgets_what_waits(patch):
    patch.setattr(Claimer, "hand_back", lambda claimer, runs, delay=None: None)


def a_worker_goes_by_its_own_clock(patch):
    """Two seconds fast."""
    order = claims.order

    def fast(*given, now, **rest):
        return order(*given, now=now + 2_000_000, **rest)

    patch.setattr(claims, "order", fast)


def purge_takes_what_waits(patch):
    def greedy(driver, retention, now, limit):
        return driver.erase([row.id for row in driver.scan(upkeep.Lapsed(now, limit))], limit)

    patch.setattr(upkeep, "purge", greedy)


FAULTS = [
    value
    for name, value in vars().copy().items()
    if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")
]
