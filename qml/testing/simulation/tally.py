"""What a simulation has tried, counted over all its examples."""

from collections import Counter

import attrs


@attrs.define
class Tally:
    """``examples``: simulated lives of a store; ``steps``: what parties did, by name; ``calls``:
    driver calls judged, by verb; ``mishaps``: what befell calls, by kind; ``claims``: claims that
    were given; ``slots``: slots of recurring jobs that were issued; ``jobs``: jobs in a final state
    at the end of an example."""

    examples: int = 0
    claims: int = 0
    slots: int = 0
    jobs: int = 0
    steps: Counter[str] = attrs.field(factory=Counter)
    calls: Counter[str] = attrs.field(factory=Counter)
    mishaps: Counter[str] = attrs.field(factory=Counter)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.examples:,} simulated lives of a store, {self.claims:,} claims, "
                f"{self.slots:,} slots, {self.jobs:,} jobs brought to an end",
                f"{self.steps.total():,} steps: {_each(self.steps)}",
                f"{self.calls.total():,} driver calls judged: {_each(self.calls)}",
                f"{self.mishaps.total():,} mishaps: {_each(self.mishaps)}",
            ]
        )


def _each(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common()) or "none"
