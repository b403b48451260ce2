"""The end of a simulated life: faults stop, the servers go on, and every job comes to an end."""

from ...values.states import FINAL
from .chores import Expires, Limits, Renews, Rescues, Syncs, Watches
from .recurring import Issues
from .steps import ServerStep
from .together import ClosesBatch, ResumesQueue
from .working import Claims, Records, Runs
from .world import World

ROUNDS = 60
"""Rounds within which all jobs have ended; each lets time pass to the next moment that counts, or
ten seconds, so that the time is bounded, too."""

CALM: tuple[type[ServerStep], ...] = (Syncs, Limits, Renews, Watches, Rescues, Expires, Issues)


def settle(world: World) -> None:
    """Every job ends in one final state, soon after the last fault."""
    world.story.begin("no more faults")
    world.calm = True
    try:
        _settle(world)
    finally:
        world.calm = False
        world.story.end()


def _settle(world: World) -> None:
    world.take(ResumesQueue())
    world.take(ClosesBatch())
    for _ in range(ROUNDS):
        for number in range(len(world.servers)):
            _round(world, number)
        for name in world.overdue():
            world.store.broken(f"A series goes on: {name} is due, and no server issues it")
        busy = any(len(party.server.runs) for party in world.servers)
        left = [row for row in world.store.rows.values() if row.state not in FINAL]
        if not left and not busy:
            world.tally.jobs += len(world.store.rows)
            return
        soon = world.clock.micros() + 10_000_000
        ahead = world.moments()
        world.pass_micros(
            min([soon, *ahead] if busy or not ahead else [ahead[0]]) - world.clock.micros()
        )
    _complain(world)


def _round(world: World, number: int) -> None:
    for chore in CALM:
        world.take(chore(server=number))
    party = world.servers[number]
    world.take(Claims(server=number, limit=10))
    while party.waiting:
        world.take(Runs(server=number))
    world.take(Records(server=number))
    world.store.check_indexes()


def _complain(world: World) -> None:
    for row in world.store.rows.values():
        if row.state not in FINAL:
            world.store.broken(
                f"Every job comes to an end: after {ROUNDS} rounds {row.id} is {row.state}"
            )
    for party in world.servers:
        held = [run.job.id for run in party.server.runs.held()]
        if held:
            world.store.broken(f"No run is forgotten: {party.name} still holds {', '.join(held)}")
