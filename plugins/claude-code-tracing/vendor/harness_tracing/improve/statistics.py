"""The few statistics that a before and after needs, for numbers as small as turns are.

Wilson (1927) for a rate, Newcombe (1998, method 10) for the difference of two, Fisher's exact
test for a table of two by two, order statistics for a median, Mann and Whitney (1947) for two
samples of numbers. Everything is two-sided, at 95 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

LEVEL = 0.95
Z = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)
_SAME = 1e-7  # relative: tables as probable as the one seen, but for rounding


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in it."""
        return self.low <= value <= self.high


def wilson(hits: int, of: int) -> Optional[Interval]:
    """Where the true rate lies; None without a single observation."""
    if not of:
        return None
    rate, square = hits / of, Z * Z
    middle = (rate + square / (2 * of)) / (1 + square / of)
    half = Z / (1 + square / of) * math.sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    return Interval(middle - half if hits else 0.0, middle + half if hits < of else 1.0)


def difference(hits: int, of: int, later_hits: int, later_of: int) -> Optional[Interval]:
    """Where the true change of a rate lies, from -1 to 1; None where one side is empty."""
    first, later = wilson(hits, of), wilson(later_hits, later_of)
    if first is None or later is None:
        return None
    rate, now = hits / of, later_hits / later_of
    down = math.hypot(now - later.low, first.high - rate)
    up = math.hypot(later.high - now, rate - first.low)
    return Interval(max(-1.0, now - rate - down), min(1.0, now - rate + up))


def fisher(hits: int, misses: int, later_hits: int, later_misses: int) -> float:
    """How probable a table is that tells at least as much, were there no difference at all."""
    rows, column = (hits + misses, later_hits + later_misses), hits + later_hits
    whole = _log_choose(sum(rows), column)

    def chance(first: int) -> float:
        return math.exp(_log_choose(rows[0], first) + _log_choose(rows[1], column - first) - whole)

    seen = chance(hits) * (1 + _SAME)
    tables = range(max(0, column - rows[1]), min(rows[0], column) + 1)
    return min(1.0, sum(each for each in map(chance, tables) if each <= seen))


def _log_choose(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)


def median_interval(values: Iterable[float]) -> Optional[Interval]:
    """Where the true median lies, whatever the distribution; None for fewer than six values."""
    ordered = sorted(values)
    place = _tail(len(ordered))
    return Interval(ordered[place - 1], ordered[-place]) if place else None


def _tail(count: int) -> int:
    """The greatest r for which at most 2.5 % of coin tosses give fewer than r heads."""
    below = 0.0
    for place in range(count // 2 + 1):
        below += math.exp(_log_choose(count, place) - count * math.log(2))
        if below > (1 - LEVEL) / 2:
            return place
    return 0


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> Optional[float]:
    """How probable it is that numbers of one kind lie as far apart; None where a side is empty.

    By the normal approximation with corrections for ties and continuity.
    """
    n, m = len(first), len(second)
    if not n or not m:
        return None
    pooled = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranked, ties = 0.0, 0
    for begin, end in _runs([value for value, _ in pooled]):
        ranked += (begin + end + 1) / 2 * sum(1 - side for _, side in pooled[begin:end])
        ties += (end - begin) ** 3 - (end - begin)
    whole = n + m
    variance = n * m / 12 * (whole + 1 - ties / (whole * (whole - 1)))
    if variance <= 0:
        return 1.0
    apart = abs(ranked - n * (n + 1) / 2 - n * m / 2) - 0.5
    return min(1.0, math.erfc(max(0.0, apart) / math.sqrt(2 * variance)))


def _runs(ordered: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of equal values."""
    begin = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end] != ordered[begin]:
            yield begin, end
            begin = end
