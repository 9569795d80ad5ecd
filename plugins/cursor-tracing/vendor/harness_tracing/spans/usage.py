"""Tokens and their cost: of a model call and of a whole turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from openinference.instrumentation import get_llm_token_count_attributes
from openinference.semconv.trace import SpanAttributes

from harness_tracing.model import ModelCall, Step, Turn, Usage
from harness_tracing.prices import Priced
from harness_tracing.spans import attributes as key

if TYPE_CHECKING:
    from openinference import instrumentation as openinference


def turn_usage(turn: Turn, steps: Iterable[Step]) -> Usage:
    """The whole turn's tokens: the sum over its calls, late ones too, else what its reader has."""
    usages = [step.usage for step in steps if isinstance(step, ModelCall)]
    return sum(usages, Usage()) if usages else turn.usage


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
