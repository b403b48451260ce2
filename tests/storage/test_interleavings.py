"""Whatever the schedule of two hands on one job, it is as if one had come after the other."""

import re
from functools import partial

import pytest

from qml.testing.interleaving import SITUATIONS, check_interleavings, replay
from tests.storage import interleavings

PAIRS = {"memory": 1_200, "sqlite": 270, "postgres": 64, "redis": 120}
"""How many pairs of operations. The command runs all on each."""

TRIPLES = {"memory": 200, "sqlite": 50, "postgres": 20, "redis": 30}


def test_hands_take_turns(make_storage):
    kind = make_storage.kind
    tally = check_interleavings(
        partial(make_storage, **interleavings.OPTIONS.get(kind, {})),
        pairs=PAIRS[kind],
        triples=TRIPLES[kind],
        seed=5,
    )
    assert tally.situations == set(SITUATIONS)
    assert tally.pairs == PAIRS[kind]
    assert tally.switched > tally.schedules / 4


ONCE_AT_FAULT = {
    "a stale hand ended a lock of its worker": "cancelled lapsed; w1 lock; w1 succeed; BBAB",
    "update called a job changed that was gone": "waiting; update; delete; ABA",
    "a key that nobody had was taken": "failed key taken; retry; w1 claim; AABA",
    "a job stood in its own way": "failed key taken; retry; w2 claim; retry; ACCBAC",
    "a claim that came too late was left": "expired; cancel; w1 claim; ABAAABB",
    "a new schedule was taken for the old": "slot due; remove; put it again; issue; AABBC",
}
"""What these schedules found in qml itself."""


@pytest.mark.parametrize("schedule", ONCE_AT_FAULT.values(), ids=ONCE_AT_FAULT)
def test_what_was_mended_stays_so(make_storage, schedule):
    replay(make_storage, schedule)


def test_the_command_prints_what_was_tried(capsys):
    asked = ["--store", "memory", "--pairs", "3", "--triples", "2", "--seed", "7"]
    assert interleavings.main(asked) == 0
    assert re.fullmatch(
        r"memory, seed 7: \d situations, 3 pairs, 2 triples: \d+ schedules \(\d+ switched within "
        r"an operation\), \d+ driver calls; \d+ s\. PASSED\n",
        capsys.readouterr().out,
    )


def test_the_command_fails_with_the_story(capsys, monkeypatch):
    from tests.testing.interleaving_faults import CancelTriesOnce

    monkeypatch.setattr(
        interleavings, "_storage", lambda kind, folder, clock: CancelTriesOnce(clock)
    )
    assert interleavings.main(["--store", "memory", "--seed", "7"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("memory, seed 7: FAILED\nno order of the 2 operations gives this\n")
    assert "again: qml.testing.replay(make_storage" in out
