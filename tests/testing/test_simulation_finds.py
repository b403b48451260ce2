"""The simulation finds servers and storages that are broken in one point, and tells how."""

import pytest
from hypothesis import Phase, settings

from qml import connect
from qml.storage.claims import Batch
from qml.testing import StorageModel
from qml.testing.machine import usual_settings
from qml.testing.simulation import Simulation, Tally
from qml.testing.simulation.seeded import live
from tests.testing import broken_servers, broken_sharing, faults

LIVES = 1_000
"""Most faults are found within ten, the last ones within some hundreds."""

SOON = {
    "rescue_asks_no_lease_as_it_writes": 760,
    "an_update_compares_nothing": 135,
    "a_job_expires_a_microsecond_late": 420,
    "a_purge_is_early_for_some": 330,
    "a_note_is_anybodys": 80,
    "a_slot_has_an_id_of_chance_and_no_guard": 105,
    "a_rate_begins_anew_with_each_start": 35,
    "a_retry_takes_nothing_back": 1_030,
}
"""Seeds from which on some are found soon. Should lives change, it only takes longer."""

# An operation that nobody asks for here; and what is late, but not wrong.
OTHERS = {"CountsLeaveOutZeros", "NobodyKnowsWhatIsNext", "TheDeadAreWaitedFor"}

STORAGES = [
    fault
    for fault in faults.FAULTS
    if not issubclass(fault, StorageModel) and fault.__name__ not in OTHERS
]


class SeqIsUsedAgain(faults.Driver):
    """That of the last row, once it is gone."""

    def insert(self, rows, *beside):
        self._table._last_seq = max(self._table.rows, default=0)
        return super().insert(rows, *beside)


class HolderIsForgotten(faults.Driver):
    def holder(self, unique_key):
        return None


def memory(clock):
    return connect("memory://", clock=clock)


def finding(make, first=0):
    """The first that the seeds from ``first`` on find."""
    for seed in range(first, first + LIVES):
        try:
            live(make, seed, tally=Tally())
        except AssertionError as error:
            return error
    raise LookupError(f"nothing found in {LIVES} lives")


@pytest.mark.parametrize("fault", broken_servers.FAULTS, ids=lambda fault: fault.__name__)
def test_a_broken_server_is_found(fault, monkeypatch):
    fault(monkeypatch)
    assert "What happened:" in finding(memory, SOON.get(fault.__name__, 0)).__notes__[0]


@pytest.mark.parametrize("fault", broken_sharing.FAULTS, ids=lambda fault: fault.__name__)
def test_a_mistake_in_what_jobs_share_is_found(fault, monkeypatch):
    fault(monkeypatch)
    assert "What happened:" in finding(memory, SOON.get(fault.__name__, 0)).__notes__[0]


@pytest.mark.parametrize("fault", STORAGES, ids=lambda fault: fault.__name__)
def test_a_broken_storage_is_found(fault):
    assert "What happened:" in finding(faults.made_of(fault)).__notes__[0]


def test_a_seq_that_is_used_again_is_found():
    assert "A seq is never used again" in str(finding(faults.made_of(SeqIsUsedAgain)))


def test_a_holder_that_is_forgotten_is_found():
    assert "the records say" in str(finding(faults.made_of(HolderIsForgotten)))


def test_what_is_not_broken_is_not_found():
    tally = Tally()
    for seed in range(60):
        live(memory, seed, servers=3, tally=tally)
    assert tally.examples == 60
    assert tally.claims > 60


QUICK = usual_settings(
    max_examples=300,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    print_blob=False,
    phases=[Phase.generate],
)


def test_hypothesis_finds_what_shows_in_the_end_only(monkeypatch):
    broken_servers.nobody_rescues(monkeypatch)
    with pytest.raises(AssertionError, match="Every job comes to an end"):
        Simulation.run(memory, settings=QUICK)


def test_hypothesis_finds_an_index_that_lies(monkeypatch):
    """At once, not only in the end."""
    monkeypatch.setattr("qml.testing.simulation.machine.settle", lambda world: None)
    with pytest.raises(AssertionError, match="Counters and indexes say what the records say"):
        Simulation.run(faults.made_of(faults.ListIsOldestFirst), settings=QUICK)


def test_hypothesis_lets_everything_end(monkeypatch):
    """However few its steps: here there is none but the first."""
    monkeypatch.setattr("qml.work.claimer.Claimer.claim", lambda *given: Batch([], None))
    with pytest.raises(AssertionError, match="Every job comes to an end"):
        Simulation.run(memory, settings=settings(QUICK, stateful_step_count=1, max_examples=5))


def test_hypothesis_tells_a_short_story(monkeypatch):
    """A server that stood still past its lease runs the job that another has by now."""
    broken_servers.a_task_begins_unasked(monkeypatch)
    search = usual_settings(
        max_examples=500,
        stateful_step_count=20,
        derandomize=True,
        database=None,
        print_blob=False,
        phases=[Phase.generate, Phase.shrink],
    )
    with pytest.raises(AssertionError, match="A task begins only while its claim lasts") as raised:
        Simulation.run(memory, settings=search)
    told, *lines = raised.value.__notes__[0].splitlines()
    assert told == "What happened:"
    assert len(lines) <= 12
    for word in ("enqueues", "claims", "runs"):
        assert any(word in line for line in lines), word
