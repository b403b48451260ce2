"""How a simulation goes: what it counts, how it tells, what it does with each mishap."""

import random

import pytest

from qml import Job, RetryPolicy, StorageUnavailable, connect
from qml.testing import ManualClock
from qml.testing.machine import usual_settings
from qml.testing.simulation import Simulation, Tally, lives
from qml.testing.simulation.chores import Dies, Expires, Limits, Purges, Renews, Rescues, Stops
from qml.testing.simulation.clients import Cancels, Deletes, Enqueues, Passes
from qml.testing.simulation.mishaps import KINDS, Mishaps
from qml.testing.simulation.parties import LEASE, ServerClock
from qml.testing.simulation.recurring import (
    ADDITIONS,
    CODES,
    Adds,
    Issues,
    Pauses,
    Removes,
    Resumes,
    Triggers,
)
from qml.testing.simulation.seeded import live
from qml.testing.simulation.settling import settle
from qml.testing.simulation.store import LawBroken
from qml.testing.simulation.story import Story
from qml.testing.simulation.working import Claims, HandsBack, Records, Runs
from qml.testing.simulation.world import World
from qml.values.followup import Followup
from qml.values.retention import Retention
from tests.testing import simulate


def memory(clock):
    return connect("memory://", clock=clock, retry=RetryPolicy(base=1))


class Simplest:
    """Chance that always takes what stands first: nothing happens, tasks succeed."""

    def choice(self, options):
        return options[0]


class Scripted(Simplest):
    """The same, but while a task runs ``meanwhile`` is done, once."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    def choice(self, options):
        if options == (False, False, True) and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().choice(options)


class Told(Mishaps):
    """Mishaps as told: ``kind`` befalls the next call of ``verb``."""

    def __init__(self, world, verb, kind, after):
        super().__init__(world, KINDS, 1)
        self.told = (verb, kind, after)

    def befall(self, party, verb, *, after):
        if self.told is not None and self.told[::2] == (verb, after):
            (_, kind, _), self.told = self.told, None
            self._happen(kind, party, after)
            party.go_on()


class Overtaken(Mishaps):
    """Before its next call of ``verb`` somebody else takes a step."""

    def __init__(self, world, verb, step):
        super().__init__(world, KINDS, 1)
        self.world, self.verb, self.step = world, verb, step

    def befall(self, party, verb, *, after):
        if verb == self.verb and not after:
            self.verb = None
            self.world.take(self.step)


@pytest.fixture
def world():
    return World(memory, 2, Tally(), Simplest())


def take(world, *steps):
    for step in steps:
        world.take(step)


def enqueued(*ids, **fields):
    return Enqueues(jobs=tuple((job_id, fields) for job_id in ids))


def state(world, job_id="a"):
    return world.storage.get(job_id).state.kind


def test_a_job_goes_its_way(world):
    take(world, enqueued("a", "b"), Claims(limit=2), Runs(), Records())
    assert (state(world), state(world, "b")) == ("succeeded", "processing")
    assert world.storage.get("a").state.result == "(claim server-1/1)"
    assert world.tally.steps == {"enqueues": 1, "claims": 1, "runs": 1, "records": 1}
    assert world.tally.claims == 2
    assert str(world.story).splitlines() == [
        "a client enqueues a, b",
        "server-1 claims: a (1), b (1)",
        "server-1 runs a (1): succeeds",
        "server-1 records a (1)",
    ]


def test_what_comes_to_nothing_is_not_told(world):
    take(world, Claims(), Runs(), Records(), HandsBack(), Renews(), Rescues(), Cancels(job="a"))
    assert str(world.story) == ""


@pytest.mark.parametrize(("after", "now"), [(False, "enqueued"), (True, "processing")])
def test_a_claim_fails_before_its_effect_or_loses_its_reply(world, after, now):
    take(world, enqueued("a"))
    world.mishaps = Told(world, "claim", "fails", after)
    take(world, Claims())
    assert state(world) == now
    assert world.servers[0].waiting == []
    assert world.tally.mishaps.total() == 1
    settle(world)
    assert state(world) == "succeeded"


def test_an_outcome_whose_reply_is_lost_is_recorded_again(world):
    take(world, enqueued("a"), Claims(), Runs())
    world.mishaps = Told(world, "swap", "fails", True)
    take(world, Records())
    assert len(world.servers[0].batch) == 1
    take(world, Records())
    assert world.servers[0].batch == []
    assert world.storage.get("a").version == 2


@pytest.mark.parametrize("after", [False, True])
def test_a_server_that_dies_in_a_call_is_replaced(world, after):
    take(world, enqueued("a"))
    world.mishaps = Told(world, "claim", "dies", after)
    take(world, Claims())
    assert [party.name for party in world.servers] == ["server-3", "server-2"]
    settle(world)
    assert state(world) == "succeeded"


def test_a_pause_is_seen_by_the_counter_of_the_server(world):
    take(world, enqueued("a"))
    before = world.servers[0].server.steady()
    world.mishaps = Told(world, "claim", "stands still", True)
    take(world, Claims())
    assert world.servers[0].server.steady() == before + 1
    [run] = world.servers[0].waiting
    assert run.claimed_at == before
    assert str(world.story).splitlines()[1:] == [
        "server-1 claims",
        "  server-1 stands still for 1 s",
        "  -> a (1)",
    ]


def test_a_sleep_is_not_seen_by_the_counter_of_the_server(world):
    take(world, enqueued("a"), Claims())
    server = world.servers[0]
    before = server.server.steady()
    world.sleep(server, LEASE + 1)
    assert server.server.steady() == before
    assert server.clock.behind == 0  # the simplest: the storage's clock counts sleep
    server.sleep(5, clock_too=True)
    assert world.clock.micros() - server.clock.micros() == 5_000_000
    server.server.upkeep.heartbeat()
    assert world.clock.micros() == server.clock.micros()


def test_a_stop_hands_back_and_records(world):
    take(world, enqueued("a", "b"), Claims(limit=2), Runs(), Stops())
    assert (state(world), state(world, "b")) == ("succeeded", "enqueued")
    assert world.storage.get("b").attempt == 0
    assert world.servers[0].name == "server-3"


def test_an_orphan_is_rescued_in_the_end(world):
    take(world, enqueued("a"), Claims(), Dies())
    settle(world)
    assert state(world) == "succeeded"
    assert world.storage.get("a").attempt == 2
    assert world.tally.jobs == 1


def test_a_thread_does_one_thing_at_a_time(world):
    """But other threads of the server go on."""
    take(world, enqueued("a", "b"))
    seen = []

    def meanwhile(party, verb, *, after):
        if verb == "claim" and after and not seen:
            seen.append(verb)
            take(world, Claims(limit=1), Claims(server=1), Rescues())

    world.mishaps.befall = meanwhile
    take(world, Claims())
    assert [row.worker for row in world.store.rows.values()] == ["server-1", "server-2"]
    assert world.tally.steps["claims"] == 2


def test_a_recurring_job_is_issued_and_named_by_its_slot(world):
    take(world, Adds(which=0), Passes(micros=30_000_000), Issues(), Claims(), Runs(), Records())
    assert str(world.story).splitlines() == [
        "a client adds the schedule added: every 30 s",
        "30 s pass",
        "server-1 issues: added@00:00:30",
        "server-1 claims: added@00:00:30 (1)",
        "server-1 runs added@00:00:30 (1): succeeds",
        "server-1 records added@00:00:30 (1)",
    ]
    assert world.tally.slots == 1
    assert not world.overdue()


@pytest.mark.parametrize(("after", "slots"), [(False, 0), (True, 1)])
def test_a_server_that_dies_within_an_issue_leaves_the_series_whole(world, after, slots):
    take(world, Adds(which=0), Passes(micros=30_000_000))
    world.mishaps = Told(world, "insert", "dies", after)
    take(world, Issues())
    assert len(world.store.rows) == slots
    assert [party.name for party in world.servers] == ["server-3", "server-2"]
    take(world, Issues(server=1), Issues())
    assert len(world.store.rows) == world.tally.slots == 1
    assert not world.overdue()


def test_what_clients_do_about_schedules(world):
    take(world, Pauses(), Resumes(), Triggers(), Removes(), Issues())  # there is none
    assert str(world.story) == ""
    take(world, Adds(which=1), Triggers(), Pauses(), Passes(micros=40_000_000), Issues())
    assert (len(world.store.rows), world.tally.slots) == (1, 0)
    take(world, Resumes(), Passes(micros=20_000_000), Issues(), Removes())
    assert (len(world.store.rows), world.tally.slots) == (2, 1)
    assert world.store.schedules == {}


def test_a_life_may_have_schedules_of_its_code():
    class Last(Simplest):
        def choice(self, options):
            return options[-1] if options is CODES else options[0]

    world = World(memory, 2, Tally(), Last())
    take(world, Issues(), Passes(micros=60_000_000), Issues(server=1))
    issued = {row.id for row in world.store.rows.values()}
    assert sorted(map(world.store.readable, issued)) == [
        *("alone@00:00:40", "minutely@00:01:00", "often@00:00:45"),
    ]
    assert all(options is not None for _, options in ADDITIONS)
    settle(world)


def test_what_follows_is_named_by_whom_it_follows(world):
    world._chance = Scripted(lambda: take(world, Passes(micros=11_000_000), Limits()))
    failing = {"timeout_seconds": 10.0, "max_retries": 0, "on_failure": Followup("task")}
    take(world, enqueued("a", **failing), Claims(), Runs(), Records(), Claims())
    assert str(world.story).endswith("server-1 claims: after-a (1)")


def test_what_is_late_expires_and_what_is_brief_is_purged(world):
    brief = Retention(succeeded=20, deleted=20, failed=20)
    take(world, enqueued("a", expires_in=3.0, retention=brief), Passes(micros=3_000_000))
    take(world, Expires(), Passes(micros=19_999_999), Purges())
    assert state(world) == "deleted"
    take(world, Passes(micros=1), Purges())
    assert world.store.rows == {}


def test_a_run_notes_and_is_told_by_its_claim(world):
    class Notes(Simplest):
        def choice(self, options):
            return True if options == (False, False, False, True) else options[0]

    world._chance = Notes()
    take(world, enqueued("a"), Claims(), Runs(), Records())
    assert world.storage.get("a").notes.progress.message == "(claim server-1/1)"


def test_a_server_may_die_while_its_task_notes(world):
    class Notes(Simplest):
        def choice(self, options):
            return True if options == (False, False, False, True) else options[0]

    world._chance = Notes()
    take(world, enqueued("a"), Claims())
    world.mishaps = Told(world, "hold", "dies", True)
    take(world, Runs())
    assert [party.name for party in world.servers] == ["server-3", "server-2"]
    settle(world)


def test_a_slot_that_is_issued_again_is_seen(world):
    take(world, Adds(which=0), Passes(micros=30_000_000), Issues())
    [row] = world.store.rows.values()
    with pytest.raises(LawBroken, match="A slot is issued once: added"):
        world.store._note_slot(row)


def test_a_series_that_stops_is_seen(world):
    take(world, Adds(which=0), Passes(micros=30_000_000))
    for party in world.servers:
        party.server.timetable.issue = lambda: 1.0
    with pytest.raises(LawBroken, match="A series goes on: added is due"):
        settle(world)


def test_a_broken_law_stops_everything_also_from_within_a_task(world):
    take(world, enqueued("a"), Claims())
    server = world.servers[0]
    server.server.claimer.may_begin = lambda run: True
    take(world, Passes(micros=int(LEASE * 1e6)))
    with pytest.raises(LawBroken, match="lease has ended 0 s ago"):
        take(world, Runs())
    with pytest.raises(LawBroken):  # and nothing goes on
        world.store.call(None, "load", (), list)


def test_a_job_is_stored_anew_with_one_that_comes_after_it(world):
    """Its id was taken when it was looked at, and is free when both are stored."""
    take(world, enqueued("a"))
    world.mishaps = Overtaken(world, "insert", Deletes(job="a"))
    take(world, Enqueues(jobs=(("a", {}), ("b", {"groups": {"after": ("a",)}}))))
    world.store.check_indexes()
    take(world, Claims(), Runs(), Records())
    assert (state(world), state(world, "b")) == ("succeeded", "scheduled")
    world.store.check_indexes()


ONE_AT_ONCE = {"concurrency_key": "one", "concurrency_limit": 1}


def test_a_lapsed_claim_whose_permit_went_to_another_is_not_to_be_renewed(world):
    take(world, enqueued("a", "b", limits=ONE_AT_ONCE), Claims(), Runs())
    take(world, Passes(micros=int(LEASE * 1e6)), Claims(), Renews())  # "b", beside the end of "a"
    take(world, Records())
    assert (state(world), state(world, "b")) == ("succeeded", "processing")


def test_without_another_it_is(world):
    take(world, enqueued("a", "b", limits=ONE_AT_ONCE), Claims(), Runs())
    take(world, Passes(micros=int(LEASE * 1e6)))
    world.servers[0].server.keeper.renew = lambda: None
    with pytest.raises(LawBroken, match="its lease of a lasts 0 s"):
        take(world, Renews())


def test_ctrl_c_beside_a_task_ends_the_simulation(world, monkeypatch):
    def trace(error):
        raise KeyboardInterrupt

    class Fails(Simplest):
        """Each task raises."""

        def choice(self, options):
            return "raises" if "raises" in options else options[0]

    take(world, enqueued("a"), Claims())
    world._chance = Fails()
    monkeypatch.setattr("qml.work.executor.traceback.format_exception", trace)
    with pytest.raises(KeyboardInterrupt):
        take(world, Runs())


def test_a_run_beyond_its_limit_is_recorded_by_the_keeper_and_comes_back_late(world):
    world._chance = Scripted(lambda: take(world, Passes(micros=11_000_000), Limits()))
    take(world, enqueued("a", timeout_seconds=10.0, max_retries=0), Claims(), Runs())
    assert str(world.story).endswith("-> came back late")
    take(world, Records())
    assert world.storage.get("a").state.exception == "TimeoutError: attempt 1 ran longer than 10 s"
    assert world.servers[0].server.runs.late() == []


def test_no_task_swallows_the_end_of_an_example(world):
    class Enough(BaseException):
        """What Hypothesis raises when it has seen enough."""

    def enough():
        raise Enough

    world._chance = Scripted(enough)
    take(world, enqueued("a"), Claims())
    with pytest.raises(Enough):
        take(world, Runs())


def test_a_claim_that_is_given_twice_is_seen(world):
    take(world, enqueued("a"), Claims())
    with pytest.raises(LawBroken, match="A fence is never used again: a was given 1 before"):
        world.store._note_claims(list(world.store.rows.values()))


def test_an_index_that_lies_is_seen(world):
    take(world, enqueued("a"))
    inner = world.store.driver
    world.store.driver = type("Lying", (), {"count": lambda *_: {}, "scan": inner.scan})()
    with pytest.raises(LawBroken, match="counts by state are"):
        world.store.check_indexes()


def test_stories_are_indented_and_repeat_nothing():
    story = Story()
    story.begin("one")
    story.begin("left out")
    story.end()
    story.begin("two")
    story.tell("three")
    story.tell("three")
    story.end("four")
    story.end("")
    assert str(story).splitlines() == ["one", "  two", "    three (2 times)", "    -> four"]


def test_a_clock_is_behind_until_it_is_synced():
    true = ManualClock(1000)
    clock = ServerClock(true)
    clock.behind = 1
    assert clock.micros() == true.micros() - 1
    clock.sync()
    assert clock.micros() == true.micros()


def test_a_seed_gives_the_same_life_again_and_fills_no_log(caplog):
    tallies = [Tally(), Tally()]
    for tally in tallies:
        live(memory, 7, tally=tally)
    assert tallies[0] == tallies[1]
    assert tallies[0].examples == 1
    assert tallies[0].steps["rescues"]
    assert not caplog.records


def test_lives_count_what_was_tried():
    tally = lives(memory, seconds=0, seed=3)
    assert tally.examples == 1
    assert str(tally).startswith("1 simulated lives of a store")


def test_hypothesis_counts_what_was_tried():
    few = usual_settings(max_examples=5, stateful_step_count=10, derandomize=True, database=None)
    tally = Simulation.run(memory, servers=3, settings=few)
    assert tally.examples >= 5
    assert tally.calls["insert"] >= 5


def test_an_error_of_the_storage_comes_with_its_story():
    def make(clock):
        storage = memory(clock)
        storage.retry_policy = None  # asked at each enqueue
        return storage

    with pytest.raises(AttributeError) as raised:
        lives(make, seconds=60)
    assert "a client enqueues" in raised.value.__notes__[0]
    assert raised.value.__notes__[1].startswith("seed ")


def test_a_life_is_closed():
    made = []

    def make(clock):
        made.append(memory(clock))
        return made[-1]

    live(make, 1, tally=Tally())
    with pytest.raises(StorageUnavailable):
        made[0].enqueue(Job("task"))


def test_any_random_generator_decides():
    world = World(memory, 3, Tally(), random.Random(5))
    for _ in range(50):
        world.take_any()
    settle(world)


def test_the_long_search_says_what_it_tried(capsys):
    assert simulate.main(["--seconds", "0", "--retries", "hasty"]) == 0
    assert "1 simulated lives" in capsys.readouterr().out


def test_the_long_search_says_what_it_found(capsys, monkeypatch):
    monkeypatch.setattr("qml.work.chores.Keeper.renew", lambda keeper: None)
    assert simulate.main(["--seed", "1"]) == 1
    said = capsys.readouterr().out
    assert "What happened:" in said
    assert "seed" in said
