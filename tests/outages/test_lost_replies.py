"""The line is cut at every request of every operation: each answers right, and is done once."""

import contextlib

import pytest

from .calls import CALLS, WRITES, prepared
from .twins import Twins


@pytest.fixture
def twins(store, proxy, led):
    """A storage through the proxy and the oracle, of a store that is emptied for each."""
    with contextlib.ExitStack() as stack:
        calm = stack.enter_context(store.open())

        def fresh(**settings):
            store.clear()
            return Twins(stack.enter_context(store.open(led, **settings)), calm, proxy)

        yield fresh


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", CALLS)
def test_a_line_cut_once_is_not_noticed(twins, proxy, operation, when):
    moment = 0
    while True:
        scene = prepared(twins())
        before = proxy.cuts
        scene.twins.line.cut(moment, when)
        scene.ask(CALLS[operation])
        assert scene.twins.unanswered == 0
        if proxy.cuts == before:  # it makes no more requests than that
            break
        moment += 1
    assert moment >= 1


@pytest.mark.parametrize("operation", WRITES)
def test_a_reply_lost_for_good_is_found_again(twins, operation):
    """The server did it, the line broke, and nobody can reach the server: the call ends with
    StorageUnavailable. Repeated once the server is back, it has been done once."""
    scene = prepared(twins(patience=0.4))
    scene.twins.line.cut(REQUESTS.get(operation, 1) - 1, "after", away=True)
    scene.ask(WRITES[operation])
    assert scene.twins.unanswered >= 1


REQUESTS = {"cancel": 2, "cancel_running": 2, "update": 2, "retry": 2, "rescue": 2}
"""How many requests there are up to the one that changes something, where it is not the first."""
