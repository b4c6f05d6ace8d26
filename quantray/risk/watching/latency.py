"""How long each of many short pieces of work took, in buckets that do not move."""

from bisect import bisect_left
from dataclasses import dataclass, field

from quantray.errors import InputError

__all__ = ["BUCKETS", "LatencyHistogram"]

BUCKETS = tuple(float(step * 10**power) for power in range(6) for step in (1, 2, 5))
"""Upper ends in microseconds, from 1 to 500,000; what took longer is counted in one bucket more."""


@dataclass(eq=False)
class LatencyHistogram:
    """Counts of durations by bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def record(self, nanoseconds: int) -> None:
        """Count a duration; one on the end of a bucket belongs to it."""
        self.counts[bisect_left(BUCKETS, nanoseconds / 1000)] += 1

    @property
    def total(self) -> int:
        """Durations counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """Microseconds that a share of the durations did not exceed, rounded up to the end of a bucket.

        Raises
        ------
        InputError
            Nothing was counted, or the share is not between 0 and 1.
        """
        if self.total == 0 or not 0 < share <= 1:
            raise InputError(f"{self.total} durations have no quantile at {share}; count some, and ask for 0 to 1.")
        seen = 0
        for end, count in zip((*BUCKETS, float("inf")), self.counts, strict=True):
            seen += count
            if seen >= share * self.total * (1 - 1e-12):
                return end
        return float("inf")

    def as_dict(self) -> dict[str, int]:
        """End of each bucket in microseconds -> count, as monitoring systems take them."""
        return {f"{end:g}": count for end, count in zip((*BUCKETS, float("inf")), self.counts, strict=True)}
