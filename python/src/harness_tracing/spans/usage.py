"""Tokens and their cost: of a model call and of a whole turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from openinference.instrumentation import get_llm_token_count_attributes
from openinference.semconv.trace import SpanAttributes

from harness_tracing.model import ModelCall, Step, Turn, Usage
from harness_tracing.prices import Cost, PriceTable
from harness_tracing.spans import attributes as key

if TYPE_CHECKING:
    from openinference import instrumentation as openinference

UNKNOWN_MODEL = "unknown model"


@dataclass(frozen=True)
class Priced:
    """A cost (None: nothing is priced) and the models whose calls are missing in it."""

    cost: Optional[Cost] = None
    unpriced: tuple[str, ...] = ()

    def __add__(self, other: Priced) -> Priced:
        """Both together; each model is named once."""
        both = [each for each in (self.cost, other.cost) if each is not None]
        cost = both[0] + both[1] if len(both) > 1 else (both[0] if both else None)
        return Priced(cost, tuple(dict.fromkeys(self.unpriced + other.unpriced)))


def price(call: ModelCall, table: PriceTable) -> Priced:
    """What a model call cost.

    One whose tokens are not all known is neither priced nor unpriced: a Gap tells of it.
    """
    how = call.parameters if isinstance(call.parameters, Mapping) else {}
    cost = table.cost(
        call.model,
        call.usage,
        provider=call.provider,
        speed=_text(how.get("speed")),
        region=_text(how.get("inference_geo")),
    )
    usage = call.usage
    if cost is not None or usage.input_tokens is None or usage.output_tokens is None:
        return Priced(cost)
    return Priced(None, (call.model or UNKNOWN_MODEL,))


def price_all(steps: Iterable[Step], table: PriceTable) -> Priced:
    """What the model calls among these steps cost together."""
    total = Priced()
    for step in steps:
        if isinstance(step, ModelCall):
            total += price(step, table)
    return total


def turn_usage(turn: Turn, steps: Iterable[Step]) -> Usage:
    """The whole turn's tokens: as its reader counted them, else the sum over its calls."""
    if turn.usage != Usage():
        return turn.usage
    total = Usage()
    for step in steps:
        if isinstance(step, ModelCall):
            total += step.usage
    return total


def token_attributes(usage: Usage) -> dict[str, Any]:
    """The token counts that are known; the total only when both of its parts are."""
    count: openinference.TokenCount = {}
    details: openinference.PromptDetails = {}
    if usage.input_tokens is not None:
        count["prompt"] = usage.input_tokens
    if usage.output_tokens is not None:
        count["completion"] = usage.output_tokens
    if usage.input_tokens is not None and usage.output_tokens is not None:
        count["total"] = usage.input_tokens + usage.output_tokens
    if usage.cache_read_tokens is not None:
        details["cache_read"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        details["cache_write"] = usage.cache_write_tokens
    count["prompt_details"] = details
    return {
        **get_llm_token_count_attributes(count),
        key.CACHE_WRITE_1H: usage.cache_write_1h_tokens,
        SpanAttributes.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING: usage.reasoning_tokens,
    }


def cost_attributes(priced: Priced) -> dict[str, Any]:
    """The cost in USD, part by part; nothing but the names of models when none is priced."""
    unpriced = {key.UNPRICED_MODELS: priced.unpriced or None}
    cost = priced.cost
    if cost is None:
        return unpriced
    return {
        SpanAttributes.LLM_COST_PROMPT: cost.prompt,
        SpanAttributes.LLM_COST_COMPLETION: cost.completion,
        SpanAttributes.LLM_COST_TOTAL: cost.total,
        SpanAttributes.LLM_COST_PROMPT_DETAILS_INPUT: cost.uncached,
        SpanAttributes.LLM_COST_PROMPT_DETAILS_CACHE_READ: cost.cache_read,
        SpanAttributes.LLM_COST_PROMPT_DETAILS_CACHE_WRITE: cost.cache_write,
        SpanAttributes.LLM_COST_COMPLETION_DETAILS_OUTPUT: cost.output,
        SpanAttributes.LLM_COST_COMPLETION_DETAILS_REASONING: cost.reasoning,
        **unpriced,
    }


def _text(value: object) -> Optional[str]:
    return value if isinstance(value, str) else None
