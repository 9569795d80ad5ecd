"""Samples of one measured thing, and how they are told in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """The middle value; NaN without values."""
    return statistics.median(values) if values else math.nan


def p95(values: Sequence[float]) -> float:
    """The 95th percentile by nearest rank; NaN without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(0.95 * len(ordered)) - 1)] if ordered else math.nan


def paired_ratio(values: Sequence[float], beside: Sequence[float]) -> float:
    """The median of the ratios round by round: what moved both of a round drops out."""
    return median([value / other for value, other in zip(values, beside)])


def milliseconds(seconds: float) -> str:
    """Seconds as text in ms with three significant digits."""
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
