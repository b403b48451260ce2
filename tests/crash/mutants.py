"""Breaks qml and sees that the kills find it: ``python -m tests.crash.mutants [--kills N]``.

Each mutant breaks one promise in the running process, before anybody is forked. Exit code 0: the
kills rejected all. By hand, since a mutant may by luck survive a short run.
"""

import argparse
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qml.drivers.sqlite import claiming, connections, library, storing
from qml.drivers.sqlite.statements import SQL
from qml.seam import rows
from qml.work import chores, finisher

REPO = Path(__file__).parents[2]


def _edit(statement: str, pattern: str, new: str) -> None:
    """Change a statement; that it has no such text any more is an error, for a mutant to follow."""
    text, found = re.subn(pattern, new, SQL[statement])
    assert found, f"statement {statement!r} has no {pattern!r}"
    SQL[statement] = text


def a_claim_looks_outside_its_transaction() -> None:
    """Two workers see the same job, and both take it."""
    best = claiming._best

    def outside(connection: Any, claim: rows.Claim) -> list[rows.Row]:
        connection.execute("COMMIT")
        found = best(connection, claim)
        connection.execute("BEGIN IMMEDIATE")
        return found

    claiming._best = outside


def an_end_is_not_fenced() -> None:
    """Whoever comes back late overwrites what became of the job meanwhile."""
    guard = r"AND version = (:version|\?\d*)"
    fenced = [name for name, text in SQL.items() if re.search(guard, text)]
    assert fenced
    for name in fenced:
        _edit(name, guard, r"AND (version = \1 OR TRUE)")


def rescue_ignores_the_lease() -> None:
    """Jobs are taken from workers that are alive."""
    _edit("lapsed", r"AND j\.lease_until <= :now", "")
    _edit("move", r"AND \(:lapsed_by IS NULL OR [^)]*\)", "")


def nobody_renews() -> None:
    """Jobs longer than their lease run twice at once."""
    chores.Keeper.renew = lambda self: None


def a_claim_raises_no_fence() -> None:
    """Two claims of a job cannot be told apart."""
    claimed = rows.as_claimed
    _edit("take", r"fence = fence \+ 1,", "")
    rows.as_claimed = lambda row, *order: claimed(row, *order)._replace(fence=row.fence)


def a_stale_hand_renews() -> None:
    """A claim that is over keeps its job from others."""
    _edit("renew", r"WHERE[^;]*", "WHERE id = :id")


def commits_are_lost() -> None:
    """One write in a hundred is acknowledged and never done."""
    write_once = connections.Connections._write_once

    def lossy(self: Any, work: Callable[[Any], Any], *more: Any) -> Any:
        def and_forget(connection: Any) -> Any:
            result = work(connection)
            if random.random() < 0.01:
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
            return result

        return write_once(self, and_forget, *more)

    connections.Connections._write_once = lossy


def batches_are_stored_one_by_one() -> None:
    """A kill leaves half of what was enqueued together."""
    insert = storing.insert

    def singly(connection: Any, batch: list[rows.Row]) -> list[rows.Obstacle]:
        obstacles = []
        for row in batch:
            obstacles += insert(connection, [row])
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        return obstacles

    storing.insert = singly


def a_claimed_job_stays_ready() -> None:
    """It is claimed again as soon as its lease lapses, by no rescue, and uncharged."""
    _edit("take", r"due_at = NULL, ready = 0", "due_at = 0, ready = 1")


def nobody_rescues() -> None:
    """The jobs of the dead stay with them."""
    chores.Upkeep.rescue = lambda self: None


def a_lock_reaches_the_caller() -> None:
    """Another process's write is an error instead of a short wait."""
    library.is_busy = lambda error: False


def outcomes_are_dropped() -> None:
    """One outcome in ten is never written, and its claim no longer renewed."""
    put = finisher.Finisher.put

    def careless(self: Any, run: Any, outcome: Any) -> None:
        if random.random() < 0.1:
            self._runs.remove([run])
        else:
            put(self, run, outcome)

    finisher.Finisher.put = careless


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        a_claim_looks_outside_its_transaction,
        an_end_is_not_fenced,
        rescue_ignores_the_lease,
        nobody_renews,
        a_claim_raises_no_fence,
        a_stale_hand_renews,
        commits_are_lost,
        batches_are_stored_one_by_one,
        a_claimed_job_stays_ready,
        nobody_rescues,
        a_lock_reaches_the_caller,
        outcomes_are_dropped,
    )
}


def main(arguments: list[str] | None = None) -> int:
    """Run the kills against each mutant; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.mutants", description=__doc__)
    parser.add_argument("--kills", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=MUTANTS, nargs="*", default=[*MUTANTS])
    options = parser.parse_args(arguments)
    survivors = 0
    for name in options.only:
        rejected, rules = try_out(name, options.kills, options.seed)
        survivors += not rejected
        print(f"{'rejected' if rejected else 'SURVIVED'}: {name}: {rules}", flush=True)
    return 1 if survivors else 0


def try_out(name: str, kills: int, seed: int) -> tuple[bool, str]:
    """Whether the kills reject a mutant, and by which rules."""
    command = [sys.executable, "-m", "tests.crash.kills", "--kills", str(kills)]
    command += ["--seed", str(seed), "--drain", "10", "--mutant", name]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if "REJECTED" not in done.stdout and "PASSED" not in done.stdout:
        raise RuntimeError(f"no verdict on {name}:\n{done.stdout}{done.stderr}")
    rules = re.findall(r"^  (\w+ \(\d+\)):$", done.stdout, re.MULTILINE)
    return done.returncode == 1, ", ".join(rules)


if __name__ == "__main__":
    sys.exit(main())
