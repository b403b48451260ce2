"""A quick share of the power losses; thousands by hand: ``python -m tests.powerloss``."""

import os

import pytest

from tests.powerloss.__main__ import main
from tests.powerloss.mutants import MUTANTS


def lose(*options):
    return main([f"--seed={int.from_bytes(os.urandom(2), 'big')}", *options])


def figure(text, name):
    [line] = [line for line in text.splitlines() if line.strip().startswith(name)]
    return line.split(name)[1].strip()


def test_nothing_that_was_acknowledged_is_lost(capsys):
    code = lose("--images=120", "--steps=10")
    text = capsys.readouterr().out
    assert code == 0, text
    assert "PASSED: no fault in 120 power losses" in text
    assert figure(text, "acknowledged calls") == "none"
    assert figure(text, "acknowledged jobs") == "none"
    assert int(figure(text, "with something not synced")) > 30  # there was something to lose
    print(text)


def test_with_durability_normal_only_the_last_is_lost(capsys):
    code = lose("--images=60", "--steps=10", "--durability=normal")
    text = capsys.readouterr().out
    assert code == 0, text
    assert figure(text, "acknowledged calls").startswith("by ")
    print(text)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_break_of_qml_or_of_the_disk_is_found(mutant, capsys):
    code = lose("--images=1000", "--steps=10", f"--mutant={mutant}")
    text = capsys.readouterr().out
    assert code == 1, text
    assert "REJECTED" in text
    assert "The files are in" not in text


def test_with_durability_normal_a_lying_disk_is_found_by_the_damage(capsys):
    options = ("--images=1000", "--steps=10", "--durability=normal", "--mutant=the_disk_lies")
    assert lose(*options) == 1
    assert "REJECTED" in capsys.readouterr().out
