"""What flushes and sweeps report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FlushResult:
    """What a flush left undone: how many captured events or spans, and why."""

    left: int = 0
    messages: tuple[str, ...] = ()

    def __add__(self, other: FlushResult) -> FlushResult:
        return FlushResult(self.left + other.left, self.messages + other.messages)
