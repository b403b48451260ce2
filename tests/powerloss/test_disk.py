"""The disk that forgets: it keeps what was synced, and may lose all else in every way."""

import random

import pytest

from tests.powerloss.disk import FATES, SECTOR, Disk
from tests.powerloss.trace import (
    DIRECTORY,
    Created,
    Deleted,
    Event,
    Synced,
    Syncing,
    Truncated,
    Wrote,
)

OLD, NEW = b"o" * SECTOR, b"n" * SECTOR
NAMED = [Created("f", 1), Syncing(DIRECTORY, 0), Synced(1)]
"""A file whose name is safe; the next event has the number 3."""


def images(acts, count=300):
    disk = Disk()
    for number, act in enumerate(acts):
        disk.follow(number, Event(0.0, 0, act))
    rng = random.Random(1)
    return [disk.image(rng)[0] for _ in range(count)]


def contents(acts):
    return {image["f"] for image in images([*NAMED, *acts])}


def test_what_was_synced_is_there():
    assert contents([Wrote(1, 0, OLD), Syncing(1, 2), Synced(4)]) == {OLD}


def test_what_was_not_synced_may_be_there_or_not():
    found = contents([Wrote(1, 0, OLD)])
    assert {b"", OLD, bytes(SECTOR)} < found  # also grown without contents, and garbage
    assert {len(content) for content in found} == {0, SECTOR}


def test_a_sync_that_has_not_ended_keeps_nothing():
    assert b"" in contents([Wrote(1, 0, OLD), Syncing(1, 2)])


def test_what_is_written_during_a_sync_is_not_in_it():
    found = contents([Wrote(1, 0, OLD), Syncing(1, 2), Wrote(1, 0, NEW), Synced(4)])
    assert {OLD, NEW} <= found
    assert b"" not in found


def test_a_write_is_torn_between_sectors_and_only_there():
    acts = [Wrote(1, 0, OLD * 3), Syncing(1, 2), Synced(4), Wrote(1, 0, NEW * 3)]
    found = contents(acts)
    for torn in (OLD + NEW + OLD, NEW + OLD + NEW, OLD + OLD + NEW, NEW + OLD + OLD):
        assert torn in found
    clean = [content for content in found if not set(content) - set(b"on")]
    assert {content[at : at + SECTOR] for content in clean for at in (0, SECTOR, 2 * SECTOR)} == {
        OLD,
        NEW,
    }


def test_later_writes_may_be_there_and_earlier_ones_not():
    acts = [Wrote(1, 0, OLD * 2), Syncing(1, 2), Synced(4)]
    found = contents([*acts, Wrote(1, 0, NEW), Wrote(1, SECTOR, NEW)])
    assert {OLD + OLD, NEW + OLD, OLD + NEW, NEW + NEW} <= found


def test_of_several_writes_to_a_sector_any_may_be_the_last():
    versions = [bytes([n]) * SECTOR for n in range(1, 5)]
    assert {*versions} <= contents([Wrote(1, 0, version) for version in versions])


def test_a_write_harms_no_bytes_beside_its_own():
    acts = [Wrote(1, 0, OLD * 2), Syncing(1, 2), Synced(4), Wrote(1, 500, b"n" * 24)]
    found = contents(acts)
    assert {content[:500] for content in found} == {b"o" * 500}
    assert {content[524:] for content in found} == {b"o" * 500}
    assert any(content[500:524] == b"o" * 12 + b"n" * 12 for content in found)
    assert any(set(content[500:512]) - set(b"on") for content in found)  # garbage


def test_a_file_that_was_cut_may_be_long_again():
    acts = [Wrote(1, 0, OLD * 2), Syncing(1, 2), Synced(4), Truncated(1, SECTOR)]
    assert contents(acts) == {OLD, OLD * 2}
    assert contents([*acts, Syncing(1, 2), Synced(7)]) == {OLD}


def test_a_new_file_goes_with_its_name():
    made = [Created("f", 1), Wrote(1, 0, OLD), Syncing(1, 2), Synced(2)]
    assert {image.get("f") for image in images(made)} == {None, OLD}
    kept = [*made, Syncing(DIRECTORY, 0), Synced(4)]
    assert {image.get("f") for image in images(kept)} == {OLD}


def test_a_removed_file_may_come_back():
    acts = [*NAMED, Wrote(1, 0, OLD), Syncing(1, 2), Synced(4), Deleted("f"), Created("f", 2)]
    assert {image.get("f") for image in images(acts)} == {OLD, None, b""}
    kept = [*acts, Syncing(DIRECTORY, 0), Synced(8)]
    assert {image.get("f") for image in images(kept)} == {b""}


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_fate_has_a_chance_for_each_act(fate, count):
    for seed in range(20):
        chances = FATES[fate](random.Random(seed), count)
        assert len(chances) == count
        assert all(0.0 <= chance <= 1.0 for chance in chances)
