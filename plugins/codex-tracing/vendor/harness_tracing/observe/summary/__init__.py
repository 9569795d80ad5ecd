"""What a session did, in facts: `summary_of` finds them, `page` and `report` tell them."""

from __future__ import annotations

from harness_tracing.observe.summary.facts import Summary, summary_of

__all__ = ["Summary", "summary_of"]
