"""What searches and sums are about: which turns, and which columns of theirs are tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

USAGE = (
    "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, "
    "reasoning_tokens"
)


@dataclass(frozen=True)
class TurnChoice:
    """Which turns a search is about; None: any. `since_ns`, `until_ns` bound their start."""

    agent: Optional[str] = None
    project: Optional[str] = None
    since_ns: Optional[int] = None
    until_ns: Optional[int] = None

    def condition(self) -> tuple[str, tuple[Any, ...]]:
        """A condition on turns joined with sessions, and its parameters."""
        conditions = {
            "agent = ?": self.agent,
            "project = ?": self.project,
            "turns.started_at_ns >= ?": self.since_ns,
            "turns.started_at_ns < ?": self.until_ns,
        }
        used = {sql: value for sql, value in conditions.items() if value is not None}
        return " AND ".join(used) or "1", tuple(used.values())
