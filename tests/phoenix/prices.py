"""What Phoenix makes of a span's tokens, in our own words: docs/phoenix.md, "Cost"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from harness_tracing.model import Usage
from harness_tracing.prices import PriceTable

Json = Any
Attributes = Mapping[str, Json]
# How Codex's configuration names the scripted server.
UNLISTED = "scripted"


def reasons(span: Attributes, calls: Iterable[Attributes]) -> list[str]:
    """Why Phoenix's cost of an LLM span is not ours; empty: it has to be the same.

    `calls` are the model calls that the span stands for: of a call itself, that call. One that
    failed before it had read anything costs nothing on either side.
    """
    calls = [call for call in calls if "llm.token_count.prompt" in call]
    found = []
    if any(call.get("harness.token_count.cache_write_1h") for call in calls):
        found.append("hour-long cache writes")
    if any("llm.token_count.completion" not in call for call in calls):
        found.append("unfinished call")
    if any(call.get("llm.provider") == UNLISTED for call in calls):
        found.append("a provider without a price list")
    if {call.get("llm.model_name") for call in calls} != {span.get("llm.model_name")}:
        found.append("another model")
    return found


def phoenix_cost(table: PriceTable, span: Attributes) -> Optional[float]:
    """All tokens of a span at the prices of its one model, every cache write at five minutes'."""
    tokens = "llm.token_count."
    usage = Usage(
        input_tokens=span.get(tokens + "prompt", 0),
        output_tokens=span.get(tokens + "completion", 0),
        cache_read_tokens=span.get(tokens + "prompt_details.cache_read"),
        cache_write_tokens=span.get(tokens + "prompt_details.cache_write"),
    )
    cost = table.cost(span.get("llm.model_name"), usage)
    return None if cost is None else cost.total
