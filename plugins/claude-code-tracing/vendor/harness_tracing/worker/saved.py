"""Where the work on a session was left, for whoever goes on with it: a worker or an import."""

from __future__ import annotations

from dataclasses import dataclass

from harness_tracing.follow import Position

# Agents whose process is not known are taken for dead after a day without a sign of life.
UNKNOWN_AGENT_NS = 86_400 * 10**9


@dataclass(frozen=True)
class Saved:
    """What the store keeps for the next worker: the reader's state and how far files were read.

    `taken` are the events this state holds, as name and time: they are removed from the spool
    afterwards, and whoever finds one there again must not take it in twice. `now_ns` is the
    worker's clock, which a clock set back does not put back.
    """

    reader: bytes
    positions: dict[str, Position]
    taken: tuple[tuple[str, int], ...] = ()
    now_ns: int = 0
