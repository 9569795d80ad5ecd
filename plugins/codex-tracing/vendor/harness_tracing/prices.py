"""What model calls cost at list prices, from a table that ships with the package.

The table (`prices.json`) is a filtered snapshot of LiteLLM's, refreshed by `make prices`.
Only tokens are priced: no server-side tools (web search), no discounts, no subscriptions. A
model that is not in the table is *unpriced*: its cost is None, never 0. A leaf.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

from harness_tracing.model import ModelCall, Step, Usage

UNKNOWN_MODEL = "unknown model"
_TABLE = Path(__file__).with_name("prices.json")
_DATE = re.compile(r"[-@](?:\d{8}|\d{4}-\d\d-\d\d|latest|default)$")
_CONTEXT_WINDOW = re.compile(r"\[\w+\]$")
_PATH = re.compile(
    r"^(?:arn:aws[\w-]*:bedrock:.*/|(?:.*/)?models/"
    r"|(?:openrouter/|vercel_ai_gateway/)?(?:anthropic|google|openai)/|bedrock/|vertex_ai/)"
)
_PROVIDER_NAMES = {
    "aws": "bedrock",
    "amazon_bedrock": "bedrock",
    "google": "gemini",
    "vertex": "vertex_ai",
    "google_vertex": "vertex_ai",
}
_MAKERS_PRICES = frozenset(
    ["anthropic", "azure", "bedrock", "deepseek", "gemini", "openai", "openrouter", "vertex_ai"]
)


@dataclass(frozen=True)
class Cost:
    """List-price cost in USD. A part is None where its tokens are not known apart.

    `uncached` is the input that neither came from nor went into a cache, `cache_write` covers
    writes of both lifetimes, `output` is the output other than reasoning.
    """

    uncached: float
    output: float
    cache_read: Optional[float] = None
    cache_write: Optional[float] = None
    reasoning: Optional[float] = None

    @property
    def prompt(self) -> float:
        """All input, caches included."""
        return _usd(self.uncached + (self.cache_read or 0.0) + (self.cache_write or 0.0))

    @property
    def completion(self) -> float:
        """All output, reasoning included."""
        return _usd(self.output + (self.reasoning or 0.0))

    @property
    def total(self) -> float:
        """Prompt and completion together."""
        return _usd(self.prompt + self.completion)

    def __add__(self, other: Cost) -> Cost:
        """The sum; a part that only one side knows keeps that side's value."""
        return Cost(
            _usd(self.uncached + other.uncached),
            _usd(self.output + other.output),
            _sum(self.cache_read, other.cache_read),
            _sum(self.cache_write, other.cache_write),
            _sum(self.reasoning, other.reasoning),
        )


@dataclass(frozen=True)
class Rates:
    """Prices of one model in USD per million tokens; None: the table has no price of its own."""

    input: float
    output: float
    cache_read: Optional[float] = None
    cache_write: Optional[float] = None
    cache_write_1h: Optional[float] = None
    reasoning: Optional[float] = None


@dataclass(frozen=True)
class PriceTable:
    """The table: where it is from (`source`, `version`, `date`) and a row per model."""

    source: str
    version: str
    date: str
    models: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls, path: Path = _TABLE) -> PriceTable:
        """The table of that file, by default the one in the package."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["source"], content["version"], content["date"], content["models"])

    def cost(
        self,
        model: Optional[str],
        usage: Usage,
        *,
        provider: Optional[str] = None,
        speed: Optional[str] = None,
        region: Optional[str] = None,
    ) -> Optional[Cost]:
        """What one model call cost; None when its model or its tokens are not known.

        Pass the usage of a single call: above some size of the input all of its tokens have
        another price, so a sum of calls can not be priced. `speed` and `region` are
        Anthropic's `speed` and `inference_geo`: "fast" has a higher price (None where it is
        not listed), as has "us" for the models that list one.
        """
        row = self.row(model, provider)
        if row is None or usage.input_tokens is None or usage.output_tokens is None:
            return None
        if speed == "fast" and "fast" not in row:
            return None
        factor = float(row["fast"]) if speed == "fast" else 1.0
        factor *= float(row.get("us", 1.0)) if region == "us" else 1.0
        return _priced(usage, rates(row, usage.input_tokens), factor)

    def row(self, model: Optional[str], provider: Optional[str] = None) -> Optional[dict[str, Any]]:
        """The table's row for a model as an agent names it; None when there is none."""
        if not model:
            return None
        for name in _all_names(model, provider):
            if name in self.models:
                return dict(self.models[name])
        return None


_RATES = frozenset(field.name for field in fields(Rates))


def rates(row: Mapping[str, Any], input_tokens: int) -> Rates:
    """The prices of a row for a call with that many input tokens, caches included."""
    prices = {name: value for name, value in row.items() if name in _RATES}
    tiers = sorted((int(above), tier) for above, tier in row.get("above", {}).items())
    for above, tier in tiers:
        if input_tokens > above:
            prices.update(tier)
    return Rates(**prices)


def _priced(usage: Usage, at: Rates, factor: float) -> Cost:
    """The cost of a usage. A provider without a price for its cache takes that of other input."""
    read = usage.cache_read_tokens or 0
    long_lived = usage.cache_write_1h_tokens or 0
    written = max(usage.cache_write_tokens or 0, long_lived)
    reasoned = usage.reasoning_tokens or 0
    uncached = max(0, (usage.input_tokens or 0) - read - written)
    write_price = at.input if at.cache_write is None else at.cache_write
    write_1h_price = write_price if at.cache_write_1h is None else at.cache_write_1h
    writes = (written - long_lived) * write_price + long_lived * write_1h_price
    unknown_writes = usage.cache_write_tokens is None and usage.cache_write_1h_tokens is None
    read_price = at.input if at.cache_read is None else at.cache_read
    reasoning_price = at.output if at.reasoning is None else at.reasoning
    output = max(0, (usage.output_tokens or 0) - reasoned)

    def usd(millionths: float) -> float:
        return _usd(millionths * factor / 1e6)

    return Cost(
        uncached=usd(uncached * at.input),
        output=usd(output * at.output),
        cache_read=None if usage.cache_read_tokens is None else usd(read * read_price),
        cache_write=None if unknown_writes else usd(writes),
        reasoning=None if usage.reasoning_tokens is None else usd(reasoned * reasoning_price),
    )


@lru_cache(maxsize=256)
def _all_names(model: str, provider: Optional[str]) -> tuple[str, ...]:
    return tuple(_names(model, provider))


def _names(model: str, provider: Optional[str]) -> Iterator[str]:
    """The names to look a model up by, the most exact first.

    - as it stands, first below its provider (`azure/gpt-5`) where the agent tells it; a name
      alone only for providers that have the maker's prices (an Ollama model has none)
    - without the choice of a context window that Claude Code puts behind a name (`[1m]`):
      it is the same model, and its price follows the size of the input
    - without a path that only says how it is reached (`models/…`, a Bedrock ARN, a router)
    - a name with `@` is Vertex AI's
    - without date, `latest` or `default` at its end: an alias of the same model
    - `claude-…` with a dot in its version (Copilot, OpenRouter) is Anthropic's with a dash
    - a Claude model that Anthropic retired is still listed by Bedrock, at the same price; a
      region's prefix (`us.anthropic.…`) is never dropped, for regions have prices of their own
    """
    name = _CONTEXT_WINDOW.sub("", model.strip().lower())
    known = (provider or "").strip().lower().replace("-", "_")
    known = _PROVIDER_NAMES.get(known, known) or ("vertex_ai" if "@" in name else "")
    for spelling in _spellings(name):
        if known:
            yield f"{known}/{spelling}"
        if not known or known in _MAKERS_PRICES:
            yield spelling
            if spelling.startswith("claude-"):
                yield from (f"anthropic.{spelling}-v{version}:0" for version in (1, 2))


def _spellings(name: str) -> Iterator[str]:
    """The name in the ways it may be spelt, without doubles."""
    spelt = [name, _PATH.sub("", name)]
    spelt += [each.replace(".", "-") for each in spelt if each.startswith("claude-")]
    undated = [_DATE.sub("", each) for each in spelt]
    return iter(dict.fromkeys(spelt + undated))


def _sum(left: Optional[float], right: Optional[float]) -> Optional[float]:
    if left is None or right is None:
        return right if left is None else left
    return _usd(left + right)


def _usd(value: float) -> float:
    """Rounded far below a token's price, so that sums do not show binary noise."""
    return round(value, 12)


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
    how = call.parameters if isinstance(call.parameters, (dict, Mapping)) else {}
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


def _text(value: object) -> Optional[str]:
    return value if isinstance(value, str) else None
