"""Reading a transcript from bytes on disk to finished turns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadingRate:
    """How fast a file of `megabytes` was read, over several readings."""

    mb_per_s: float
    slowest_mb_per_s: float
    megabytes: float
    rounds: int
