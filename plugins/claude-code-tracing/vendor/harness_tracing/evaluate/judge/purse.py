"""What judging may cost: reserved before a question is asked, settled when it was answered."""

from __future__ import annotations

import threading
from typing import Optional

from harness_tracing.errors import TracerError
from harness_tracing.evaluate.judge.asking import Provider, Question
from harness_tracing.prices import PriceTable, rates


class PriceUnknownError(TracerError):
    """A cost was to be limited that cannot be known."""


class Purse:
    """The money of one run, shared by its threads. `limit_usd` None: no limit."""

    def __init__(self, limit_usd: Optional[float]) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0
        self._reserved_usd = 0.0
        self._in_flight = 0
        self._settled = threading.Condition()

    def reserve(self, most_usd: float) -> bool:
        """Take the most that a question can cost; False when that is more than is left.

        Where reservations of others stand in the way, it waits for them: they cost less as a rule.
        """
        with self._settled:
            while True:
                if self.limit_usd is None or self._total(most_usd) <= self.limit_usd:
                    self._reserved_usd += most_usd
                    self._in_flight += 1
                    return True
                if not self._in_flight:
                    return False
                self._settled.wait()

    def settle(self, most_usd: float, cost_usd: float) -> None:
        """Give back a reservation for what was really spent."""
        with self._settled:
            self._in_flight -= 1
            # Set anew when nothing is reserved: sums of fractions leave a rest.
            self._reserved_usd = self._reserved_usd - most_usd if self._in_flight else 0.0
            self.spent_usd = round(self.spent_usd + cost_usd, 12)
            self._settled.notify_all()

    def _total(self, more_usd: float) -> float:
        return self.spent_usd + self._reserved_usd + more_usd


def most_usd(question: Question, provider: Provider, table: PriceTable) -> Optional[float]:
    """The most that one request can cost; None when the model has no price.

    A token is at least a byte long, so the length in bytes bounds the tokens of the input.
    """
    row = table.row(provider.model)
    if row is None:
        return None
    tokens = question.size_bytes() + provider.overhead_tokens
    at = rates(row, tokens)
    dearest_in = max(at.input, at.cache_write or 0.0, at.cache_write_1h or 0.0)
    dearest_out = max(at.output, at.reasoning or 0.0)
    once = (tokens * dearest_in + provider.max_output_tokens * dearest_out) / 1e6
    return once * provider.most_calls


def check(provider: Provider, table: PriceTable) -> None:
    """Raises PriceUnknownError when the provider's model has no price to count by."""
    if table.row(provider.model) is None:
        name = f"{provider.model!r} has no price" if provider.model else "no model is named"
        raise PriceUnknownError(
            f"the cost of {provider.identity} cannot be limited: {name}; name a model of the price "
            "table as `model:` of the integration, or leave out the limit"
        )
