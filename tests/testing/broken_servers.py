"""Servers with one mistake each: what the simulation must find."""

import attrs

from qml.seam import standing
from qml.seam.rows import Finished, Overdue
from qml.storage import changes, claims, rules, selecting, storing, upkeep
from qml.storage.schedules import Schedules
from qml.values.errors import QmlError, StorageError
from qml.values.schedule import Schedule
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


# -- time ---------------------------------------------------------------------------------------


def what_expires_is_started(patch):
    patch.setattr(rules, "is_expired", lambda job, now: False)


def a_job_expires_a_microsecond_late(patch):
    is_expired = rules.is_expired
    patch.setattr(rules, "is_expired", lambda job, now: is_expired(job, now - 1))


def nobody_expires(patch):
    """The time of a job that waits for an attempt is not asked."""
    patch.setattr(upkeep, "expire", lambda *given: [])
    patch.setattr(rules, "is_expired", lambda job, now: False)


def a_purge_is_early_for_some(patch):
    """Whose retention is their own."""

    def hasty(driver, retention, now, limit):
        removed = driver.erase(Overdue(now + 10_000_000), limit)
        return removed + purge(driver, retention, now, limit)

    purge = upkeep.purge
    patch.setattr(upkeep, "purge", hasty)


def a_purge_takes_those_whose_time_is_their_own(patch):
    """By what is said of all others."""

    def careless(driver, retention, now, limit):
        rows = driver.scan(upkeep.Expired(now, limit))  # none is final
        rows += [row for row in driver.scan(selecting.Page()) if row.purge_at is not None]
        old = [row.id for row in rows if row.finished_at is not None]
        return driver.erase(old, limit) if old else driver.erase(Finished("failed", 0), limit)

    patch.setattr(upkeep, "purge", careless)


def a_retention_of_ones_own_is_forgotten(patch):
    patch.setattr(standing, "purge_at", lambda *given: None)


# -- notes, follow-ups, cancelling --------------------------------------------------------------


def a_note_is_anybodys(patch):
    """Whoever runs the job or has run it writes what he has to say."""

    def generous(driver, news, now, until):
        rows = driver.load([job.id for job, _ in news])
        for (job, notes), row in zip(news, rows, strict=True):
            if notes is not None and row is not None and row.state == "processing":
                state = attrs.evolve(job.state, worker_id=row.worker)
                other = attrs.evolve(job, fence=row.fence, seq=row.seq, state=state)
                renew(driver, [(other, notes)], now, until)
        return renew(driver, [(job, None) for job, _ in news], now, until)

    renew = claims.renew
    patch.setattr(claims, "renew", generous)


def nothing_follows_on_a_failure(patch):
    patch.setattr(rules, "followups", lambda job, state: ())


def a_follower_comes_in_a_second_step(patch):
    """And not at all, if the server dies in between."""
    swap_first = claims.end

    def then(driver, ends, now):
        done = swap_first(driver, [(job, without(rule)) for job, rule in ends], now)
        rows = [row for job, rule in ends for row in rule(job)[0].then]
        if rows:
            driver.insert(rows)
        return done

    def without(rule):
        def bare(job):
            move, state = rule(job)
            return move._replace(then=()), state

        return bare

    patch.setattr(claims, "end", then)


def many_are_cancelled_unasked(patch):
    """One that has changed since it was read is cancelled all the same."""

    def unasked(driver, job_id, where, rule, now):
        try:
            return changes.apply(driver, job_id, rule)
        except QmlError:
            return None

    patch.setattr(selecting, "_again", unasked)


# -- recurring jobs -----------------------------------------------------------------------------


def a_slot_comes_before_its_record(patch):
    """Its job is stored, then the schedule's place: between the two a server may die."""

    def in_two(driver, jobs, now, limits, record=None):
        if record is None or not jobs:
            return insert(driver, jobs, now, limits, record)
        stored, obstacles = insert(driver, jobs, now, limits)
        driver.write(record.name, record.body, record.expected)
        return stored, obstacles

    insert = storing.insert
    patch.setattr(storing, "insert", in_two)


def a_slot_has_an_id_of_chance_and_no_guard(patch):
    def unguarded(driver, jobs, now, limits, record=None):
        if record is not None:
            known = driver.read(record.name)
            record = record._replace(expected=known.version if known else 0)
        return insert(driver, jobs, now, limits, record)

    insert = storing.insert
    patch.setattr(storing, "insert", unguarded)
    patch.setattr("qml.storage.schedules.slot_id", lambda name, slot: rules.Job("x").id)


def the_next_slot_counts_from_now(patch):
    """And not from the last one: what a late server has missed in between is nobody's."""
    due = Schedule.due

    def forgetful(schedule, now):
        slots, following = due(schedule, now)
        return (slots[-1:], schedule.rule.next_after(now)) if slots else (slots, following)

    patch.setattr(Schedule, "due", forgetful)


def a_slot_is_early(patch):
    due = Schedule.due
    patch.setattr(Schedule, "due", lambda schedule, now: due(schedule, now + schedule.offset))


def registering_again_loses_the_place(patch):
    follows = Schedule.follows

    def anew(schedule, known, now):
        new = follows(schedule, known, now)
        return attrs.evolve(new, next_slot=new.rule.next_after(now))

    patch.setattr(Schedule, "follows", anew)


def a_pause_is_made_up_for(patch):
    """Slots of a schedule that was paused are issued in the end."""
    evolve = attrs.evolve

    def resume(schedules, name):
        return schedules._apply(name, lambda known: evolve(known, paused=False))

    patch.setattr(Schedules, "resume", resume)


def overlap_is_not_asked(patch):
    patch.setattr(Schedules, "_running", lambda schedules, schedule: None)


def overlap_is_never_over(patch):
    patch.setattr(Schedules, "_running", lambda s, schedule: schedule.last_job)


def a_series_ends_with_an_error(patch):
    """After a reply that was lost nobody goes on."""
    issue = Schedules.issue
    lost = set()

    def once(schedules, known):
        if known.schedule.name in lost:
            return []
        try:
            return issue(schedules, known)
        except StorageError:
            lost.add(known.schedule.name)
            raise

    patch.setattr(Schedules, "issue", once)


FAULTS = [
    value
    for name, value in vars().copy().items()
    if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")
]
