"""choose: what a claim costs where lanes keep rows back, counted in rows and lanes it asks for."""

import itertools

from qml.drivers.lanes import choose, place
from qml.seam.lanes import decode

from .making import NOW, SECOND, claim, ids, limited, paced, row


class Known:
    """Lanes of these rows, all of which may be open; tells which were asked for what."""

    def __init__(self, *rows, leases=None, paces=None):
        self.lanes = {}
        for one in rows:
            self.lanes.setdefault(one.lane, []).append(one)
        self._leases, self._paces = leases or {}, paces or {}
        self.asked = []
        self.given = []

    def hints(self):
        found = [(place(min(rows, key=place)), lane) for lane, rows in self.lanes.items()]
        yield from sorted(found)

    def rows(self, lane):
        self.asked.append(lane)
        for one in sorted(self.lanes[lane], key=place):
            self.given.append(one.id)
            yield one

    def leases(self, permit):
        return sorted(self._leases.get(permit, []))

    def paced(self, pace):
        return self._paces.get(pace, 0)


def numbered(*rows):
    return [one._replace(seq=number) for number, one in enumerate(rows, 1)]


def counted(rows, limit):
    """The rows, and no more than ``limit`` of them may be asked for."""
    for number, one in enumerate(rows):
        assert number < limit, "walked past what it takes"
        yield one


def test_of_a_million_plain_rows_as_many_are_asked_for_as_it_takes():
    endless = (row(str(n))._replace(seq=n + 2) for n in itertools.count())
    [head] = numbered(limited("x"))
    choice = choose(claim(3, ahead=2), counted(endless, 6), Known(head))
    assert ids(choice.rows) == ["x", "0", "1", "2", "3"]


def test_what_is_kept_back_is_asked_for_once():
    rows = numbered(*(limited(str(n)) for n in range(50)), limited("other", "j"))
    known = Known(*rows, leases={"k": [NOW + 9]})
    choice = choose(claim(10), [], known)
    assert ids(choice.rows) == ["other"]
    assert known.given == ["0", "other"]
    assert choice.looked_at[rows[0].lane] == NOW + 9
    assert choice.looked_at[rows[-1].lane] == NOW + 30 * SECOND  # its only permit is taken


def test_lanes_behind_what_it_takes_are_not_asked_for():
    rows = numbered(*(limited(str(n), f"k{n}") for n in range(50)))
    known = Known(*rows)
    assert ids(choose(claim(3), [], known).rows) == ["0", "1", "2"]
    assert len(known.asked) <= 4
    assert {*known.asked} == {*choose(claim(3), [], Known(*rows)).looked_at}


def test_no_lane_is_asked_for_by_a_claim_that_may_not_take_of_it():
    known = Known(*numbered(limited("x")))
    plain = numbered(row("a"), row("b"))
    assert ids(choose(claim(0, ahead=1), plain, known).rows) == ["a"]
    assert known.asked == []


def test_a_hint_that_is_too_good_is_only_a_place_to_look():
    """The best of the lane is not there, or held by others: the next of it is behind."""
    x, y, z = numbered(limited("x", priority=5), row("y", priority=1), limited("z"))
    known = Known(x, z)
    known.rows = lambda lane: iter([z])
    assert ids(choose(claim(5), [y], known).rows) == ["y", "z"]
    known.rows = lambda lane: iter([])
    choice = choose(claim(5), [y], known)
    assert (ids(choice.rows), choice.looked_at) == (["y"], {x.lane: None})


def test_each_pace_has_one_new_time():
    rows = numbered(paced("a", gap=10, burst=2), paced("b", gap=10, burst=2), paced("c", "q"))
    choice = choose(claim(5), [], Known(*rows, paces={"p": NOW - 3, "q": NOW + 5}))
    assert ids(choice.rows) == ["a", "b"]
    assert choice.paces == {"p": NOW + 20}
    assert {decode(lane).pace: at for lane, at in choice.looked_at.items()} == {
        "p": NOW + 10,
        "q": NOW + 5,
    }
