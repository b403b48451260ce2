"""Breaks copies of qml and sees that the kills find each: ``python -m tests.crash.mutants``.

Exit code 0: every mutant was rejected. By hand, since a mutant may by luck survive a short run; a
mutant whose text is not found any more is an error, so that this file follows the code.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs

REPO = Path(__file__).parents[2]

SQL = "drivers/sqlite/statements.sql"
DRIVER = "drivers/sqlite/driver.py"
CONNECTIONS = "drivers/sqlite/connections.py"


@attrs.frozen
class Mutant:
    """``old`` becomes ``new`` in each of ``edits``: (file below qml/, old, new)."""

    name: str
    edits: tuple[tuple[str, str, str], ...]


MUTANTS = (
    Mutant(
        "a claim looks for jobs outside its transaction",
        (
            (
                DRIVER,
                "    taken = chosen(_best(connection, claim), claim)\n",
                '    connection.execute("COMMIT")\n'
                "    best = _best(connection, claim)\n"
                '    connection.execute("BEGIN IMMEDIATE")\n'
                "    taken = chosen(best, claim)\n",
            ),
        ),
    ),
    Mutant(
        "a finish is not fenced",
        ((SQL, "WHERE id = :id AND version = :version AND seq", "WHERE id = :id AND seq"),),
    ),
    Mutant(
        "rescue ignores the lease",
        (
            (SQL, "j.state = 'processing' AND j.lease_until <= :now", "j.state = 'processing'"),
            (SQL, "  AND (:lapsed_by IS NULL OR lease_until <= :lapsed_by)\n", ""),
        ),
    ),
    Mutant(
        "nobody renews a lease",
        (
            (
                "work/chores.py",
                "        stale = [run for",
                "        return\n        stale = [run for",
            ),
        ),
    ),
    Mutant(
        "a claim does not raise the fence",
        (
            (SQL, "attempt = attempt + 1, fence = fence + 1", "attempt = attempt + 1"),
            ("seam/rows.py", "        fence=row.fence + 1,\n", ""),
        ),
    ),
    Mutant(
        "a renewal is accepted from a stale hand",
        (
            (SQL, "AND worker = :worker AND fence = :fence\n", "\n"),
            (SQL, "  AND lease_until IS NOT NULL\n", ""),
        ),
    ),
    Mutant(
        "a commit is lost now and then",
        (
            (
                CONNECTIONS,
                'connection.execute(self._sql["commit"])',
                'connection.execute(self._sql["commit" if random.random() > 0.01 else "rollback"])',
            ),
        ),
    ),
    Mutant(
        "jobs enqueued together are committed one by one",
        (
            (
                DRIVER,
                '            connection.execute(SQL["insert_payload"], payload)\n',
                '            connection.execute(SQL["insert_payload"], payload)\n'
                '            connection.execute("COMMIT")\n'
                '            connection.execute("BEGIN IMMEDIATE")\n',
            ),
        ),
    ),
    Mutant(
        "a claimed job stays ready when its lease lapses, uncharged and unrescued",
        (
            (
                SQL,
                "due_at = NULL, ready = 0,\n    key_held = iif",
                "due_at = 0, ready = 1,\n    key_held = iif",
            ),
        ),
    ),
    Mutant(
        "orphans are not rescued",
        (("work/chores.py", "for job in self._storage.rescue():", "for job in ():"),),
    ),
    Mutant(
        "a lock reaches the caller at once",
        (
            (
                "drivers/sqlite/library.py",
                'return code_of(error) in (BUSY, LOCKED) or "is locked" in str(error)',
                "return False",
            ),
        ),
    ),
    Mutant(
        "an outcome is reported before it is written",
        (
            (
                "work/finisher.py",
                "        with self._news:\n            self._waiting.append((run, outcome))\n",
                "        self._runs.remove([run])\n"
                "        with self._news:\n            self._waiting.append((run, outcome))\n"
                "            if len(self._waiting) > 1:\n                self._waiting.pop()\n",
            ),
        ),
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the kills against each mutant; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.mutants", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="mutants whose name holds this text")
    options = parser.parse_args(arguments)
    survivors = 0
    for mutant in MUTANTS:
        if options.only in mutant.name:
            rejected, why = try_out(mutant, options.kills, options.seed)
            survivors += not rejected
            print(f"{'rejected' if rejected else 'SURVIVED'}: {mutant.name}: {why}", flush=True)
    return 1 if survivors else 0


def try_out(mutant: Mutant, kills: int, seed: int) -> tuple[bool, str]:
    """Whether the kills reject a mutant, and by which rules."""
    with tempfile.TemporaryDirectory(prefix="qml-mutant-") as name:
        root = Path(name)
        copy_mutated(mutant, root)
        command = [sys.executable, "-m", "tests.crash.kills", "--kills", str(kills)]
        command += ["--seed", str(seed), "--folder", str(root / "evidence")]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if "REJECTED" not in done.stdout and "PASSED" not in done.stdout:
        raise RuntimeError(f"no verdict on {mutant.name}:\n{done.stdout}{done.stderr}")
    rules = [line.strip(" :") for line in done.stdout.splitlines() if line.endswith("):")]
    return done.returncode == 1, ", ".join(rules)


def copy_mutated(mutant: Mutant, root: Path) -> None:
    """A copy of qml, broken, with these tests beside it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPO / "qml", root / "qml", ignore=ignored)
    shutil.copytree(REPO / "tests" / "crash", root / "tests" / "crash", ignore=ignored)
    (root / "tests" / "__init__.py").touch()
    for file, old, new in mutant.edits:
        path = root / "qml" / file
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise LookupError(f"{mutant.name}: {old!r} is not in qml/{file} any more")
        path.write_text(text.replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
