"""Checks of paused queues."""

from ...values.states import StateKind, Succeeded
from .scene import Scene


def a_paused_queue_is_left_alone(s: Scene) -> None:
    """7: no claim takes from a paused queue, whether it names it or not, and the others go on."""
    s.add("a", queue="mail", priority=1)
    s.add("b", queue="reports")
    s.storage.queues.pause("mail")
    s.same(s.ids_available(), ["b"], "available")
    s.same(s.ids_claimed(queues=["mail"]), [], "a claim that names it")
    s.same(s.ids_claimed(), ["b"], "a claim from all")
    s.same(s.ids_claimed(), [], "one more")


def a_resumed_queue_goes_on(s: Scene) -> None:
    """7: a resumed queue goes on at once, in its order, with what came meanwhile."""
    s.add("a", queue="mail")
    s.storage.queues.pause("mail")
    s.add("b", queue="mail", priority=1)
    s.same(s.ids_claimed(), [], "while it is paused")
    s.same(s.storage.queues.resume("mail"), True, "resume")
    s.same(s.ids_available(), ["b", "a"], "available")
    s.same(s.ids_claimed(), ["b", "a"], "a claim")


def a_pause_is_kept_once(s: Scene) -> None:
    """7: to pause or resume twice is as good as once; a queue without jobs can be paused."""
    since = s.clock.now()
    s.storage.queues.pause("mail")
    s.clock.advance(5)
    s.storage.queues.pause("mail")
    s.same(s.storage.queues.paused(), {"mail": since}, "what is paused, and since when")
    s.same(s.storage.queues.resume("mail"), True, "resume")
    s.same(s.storage.queues.resume("mail"), False, "resume again")
    s.same(s.storage.queues.paused(), {}, "what is paused then")


def what_runs_in_a_paused_queue_goes_on(s: Scene) -> None:
    """7: a pause ends no run: it is renewed and finished as any other."""
    claimed = s.running(queue="mail")
    s.storage.queues.pause("mail")
    s.same(s.storage.renew([claimed]), [True], "its renewal")
    s.same(s.storage.finish(claimed, Succeeded()).state.kind, StateKind.SUCCEEDED, "its end")


def what_falls_due_in_a_paused_queue_waits(s: Scene) -> None:
    """7: a job that falls due in a paused queue waits as well."""
    s.add("a", queue="mail", state=s.due_in(5))
    s.storage.queues.pause("mail")
    s.clock.advance(5)
    s.same(s.ids_claimed(), [], "a claim when it is due")
    s.storage.queues.resume("mail")
    s.same(s.ids_claimed(), ["a"], "a claim after resume")


def a_paused_queue_is_told(s: Scene) -> None:
    """7: a job says that its queue is paused; the list tells the queues and what is in them."""
    s.add("a", queue="mail")
    s.running("b", queue="reports", priority=1)
    s.storage.queues.pause("mail")
    told, other = s.storage.kept_back([s.get("a"), s.get("b")])
    assert told is not None, "nothing is said of a job in a paused queue"
    assert "paused" in told, told
    s.same(other, None, "of the other")
    mail, reports = s.storage.queues.list()
    s.same((mail.name, mail.paused_at), ("mail", s.clock.now()), "the one that is paused")
    s.same((reports.name, reports.paused_at), ("reports", None), "the other")
    s.same(reports.counts, _counts(processing=1), "what is in it")
    s.same(mail.counts, _counts(enqueued=1), "what is in the paused one")


def _counts(**known: int) -> dict[StateKind, int]:
    return {kind: known.get(kind.value, 0) for kind in StateKind}
