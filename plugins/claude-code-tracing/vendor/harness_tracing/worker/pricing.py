"""What turns cost, and the totals that late steps raise."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from harness_tracing.model import ModelCall, Turn, Usage, step_id, trace_id
from harness_tracing.prices import Priced, PriceTable, price
from harness_tracing.redact import Policy, redact_turn
from harness_tracing.store import Store, TurnWrite


class Pricing:
    """The list prices of turns as their calls become known; the table is read when needed."""

    def __init__(self, store: Store, policy: Policy, prices: Optional[PriceTable] = None) -> None:
        self._store, self._policy, self._prices = store, policy, prices
        self._costs: dict[str, dict[str, Priced]] = {}

    def of(self, turn: Turn) -> Priced:
        """List price of the turn's calls so far."""
        if self._prices is None:
            self._prices = PriceTable.load()
        costs = self._costs.setdefault(turn.turn_id, {})
        for step in turn.steps:
            if isinstance(step, ModelCall):
                costs[step_id(step)] = price(step, self._prices)
        return sum(costs.values(), Priced())

    def forget(self, turn_id: str) -> None:
        """The turn is final: its price is in the store."""
        self._costs.pop(turn_id, None)

    def late_write(self, late: Turn) -> TurnWrite:
        """Steps of a turn that is final already: they raise its totals."""
        known = self._store.turn_by_trace_id(trace_id(late.agent, late.session_id, late.turn_id))
        steps = {step_id(s): s for s in (*(known.steps if known else ()), *late.steps)}
        priced = self.of(replace(late, steps=tuple(steps.values())))
        calls = (step.usage for step in steps.values() if isinstance(step, ModelCall))
        late = redact_turn(replace(late, usage=sum(calls, Usage())), self._policy)
        return TurnWrite(late, True, total(priced), priced.unpriced)


def total(priced: Priced) -> Optional[float]:
    """The sum in dollars, None when nothing of it has a price."""
    return None if priced.cost is None else priced.cost.total
