"""The laws of one atomic call: pure functions of the rows before and after it.

They know the promises and nothing of the code that keeps them: they share no line with the rules
of ``qml.storage``. Each is a generator of what is wrong, and its docstring begins with the law.
"""

from . import claims, ends, records, sharing, slots
from .calls import Call, End, Law, Place, Who

__all__ = ["LAWS", "Call", "End", "Law", "Place", "Who", "broken"]

LAWS: tuple[Law, ...] = (
    claims.one_owner,
    claims.never_early,
    claims.claims_are_leased,
    claims.stale_hands_change_nothing,
    claims.outcomes_name_their_claim,
    claims.rescue_takes_orphans,
    claims.leases_last_until_the_end,
    claims.who_waits_is_free,
    records.final_is_final,
    records.deleted_for_good,
    ends.only_the_late_expire,
    ends.kept_as_long_as_asked,
    ends.a_run_notes_for_itself,
    ends.followups_come_once,
    sharing.permits_are_kept,
    sharing.rates_are_kept,
    sharing.paused_queues_rest,
    sharing.who_waits_is_woken,
    slots.slots_move_with_their_jobs,
    slots.slots_go_by_the_rule,
    slots.none_overlap,
    slots.places_are_kept,
    records.attempts_are_counted,
    records.keys_have_one_holder,
    records.what_was_given_stays,
    records.updates_compare,
    records.fences_and_versions_rise,
    records.answers_are_true,
    records.changes_only_what_it_names,
    claims.best_first,
)
"""In the order in which they are told: a breach of the first is the worst."""


def broken(call: Call) -> str | None:
    """The first law that the call breaks and how; None when it keeps all of them."""
    for law in LAWS:
        for what in law(call):
            first = (law.__doc__ or law.__name__).partition(".")[0]
            return f"{' '.join(first.split())}: {what}"
    return None
