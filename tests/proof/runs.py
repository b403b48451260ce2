"""The long runs, by name: commands, and what in them grows with the scale."""

from dataclasses import dataclass, field

SEED = "20261128"

STORES = ("memory", "sqlite", "postgres", "redis")


@dataclass(frozen=True)
class Run:
    """A module to run with its arguments; ``amounts`` are flags whose numbers the scale changes."""

    module: str
    arguments: tuple[str, ...] = ()
    amounts: dict[str, int] = field(default_factory=dict)

    def command(self, scale: float) -> list[str]:
        """What follows the name of Python."""
        scaled = [f"{flag}={max(1, round(n * scale))}" for flag, n in self.amounts.items()]
        return ["-m", self.module, *self.arguments, *scaled]


def _kills(store: str, server_kills: int) -> Run:
    amounts = {"--kills": 2000 if store == "sqlite" else 300}
    if server_kills:
        amounts["--server-kills"] = server_kills
    return Run("tests.crash.kills", (f"--store={store}", f"--seed={SEED}"), amounts)


RUNS = {
    **{
        f"machines-{store}": Run(
            "tests.storage.machines", (f"--store={store}",), {"--seconds": 300}
        )
        for store in STORES
    },
    **{
        f"simulation-{store}": Run(
            "tests.testing.simulate", (f"--store={store}", "--servers=3"), {"--seconds": 300}
        )
        for store in STORES
    },
    **{
        f"schedules-{store}": Run(
            "tests.storage.interleavings",
            (f"--store={store}", f"--seed={SEED}"),
            {"--triples": 20_000 if store in ("memory", "sqlite") else 5_000},
        )
        for store in STORES
    },
    "kills-sqlite": _kills("sqlite", 0),
    "kills-postgres": _kills("postgres", 50),
    "kills-redis": _kills("redis", 50),
    **{
        f"once-{store}": Run(
            "tests.crash.once", (f"--store={store}", f"--seed={SEED}"), {"--kills": 300}
        )
        for store in ("sqlite", "postgres")
    },
    **{
        f"points-{store}": Run("tests.crash.points", (f"--store={store}",))
        for store in ("sqlite", "postgres", "redis")
    },
    "power-full": Run("tests.powerloss", (f"--seed={SEED}",), {"--images": 5000}),
    "power-normal": Run(
        "tests.powerloss", ("--durability=normal", f"--seed={SEED}"), {"--images": 1000}
    ),
    "mutants": Run("tests.mutants"),
    "mutants-of-kills": Run("tests.crash.mutants"),
    "mutants-of-points": Run("tests.crash.points.mutants"),
}
