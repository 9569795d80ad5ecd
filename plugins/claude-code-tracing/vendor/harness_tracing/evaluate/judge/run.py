"""Asking many questions: retries, costs, the cache, and an end in time."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, Optional

from harness_tracing.evaluate.judge.answers import Failure, Outcome, Verdict
from harness_tracing.evaluate.judge.asking import Provider, ProviderError, Question, Reply
from harness_tracing.evaluate.judge.cache import Cache
from harness_tracing.evaluate.judge.purse import Purse, check, most_usd
from harness_tracing.model import Usage
from harness_tracing.prices import PriceTable

MOST_ATTEMPTS = 4
LONGEST_WAIT_S = 120.0
_FIRST_WAIT_S = 1.0


@dataclass(frozen=True)
class Judged:
    """What came of a question. `cost_usd` is None where the model has no price.

    `model` is the one that answered, or was asked. `attempts` is 0 for a cached verdict.
    """

    outcome: Outcome
    model: Optional[str] = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Optional[float] = None
    attempts: int = 0
    cached: bool = False


@dataclass(frozen=True)
class Report:
    """What came of all questions, in their order; None for one that was not asked.

    `stopped` says why some were not, and what to do; `too_dear`: the limit was why. `spent_usd`
    counts what has a price, and for a request that ended without an answer, though it may be
    billed, the most that it can cost.
    """

    judged: tuple[Optional[Judged], ...]
    spent_usd: float
    stopped: Optional[str] = None
    too_dear: bool = False

    @property
    def left(self) -> int:
        """How many questions were not asked."""
        return sum(each is None for each in self.judged)


@dataclass
class Judge:
    """Asks a provider, `concurrency` questions at a time, and spends `max_cost_usd` at most.

    `sleep` and `jitter` (a number from 0 to 1) are arguments for whoever has a clock of their own.
    """

    provider: Provider
    table: PriceTable = field(default_factory=PriceTable.load)
    cache: Optional[Cache] = None
    max_cost_usd: Optional[float] = None
    concurrency: int = 4
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def judge(self, questions: Sequence[Question]) -> Report:
        """The answers to all questions that could be asked.

        Raises PriceUnknownError when there is a limit and the model has no price.
        """
        if self.max_cost_usd is not None:
            check(self.provider, self.table)
        run = _Run(self, Purse(self.max_cost_usd))
        with ThreadPoolExecutor(max_workers=max(1, self.concurrency)) as pool:
            judged = tuple(pool.map(run.one, questions))
        left = sum(each is None for each in judged)
        stopped = f"{run.stopped}; {left} of {len(judged)} left" if run.stopped and left else None
        return Report(judged, run.purse.spent_usd, stopped, run.too_dear and stopped is not None)


class _Run:
    """One run of a judge: what its threads share."""

    def __init__(self, judge: Judge, purse: Purse) -> None:
        self._judge = judge
        self.purse = purse
        self.stopped: Optional[str] = None
        self.too_dear = False

    def one(self, question: Question) -> Optional[Judged]:
        """What came of one question; None when the run stopped before it."""
        provider, cache = self._judge.provider, self._judge.cache
        digest = question.digest(provider.identity, provider.model or "")
        known = cache.get(digest) if cache else None
        if known is not None:
            return Judged(question.choices.outcome(known), provider.model, cached=True)
        judged = self._asked(question)
        if cache and judged is not None and isinstance(judged.outcome, Verdict):
            cache.put(digest, judged.outcome)
        return judged

    def _asked(self, question: Question) -> Optional[Judged]:
        spent: Optional[float] = None
        for attempt in range(1, MOST_ATTEMPTS + 1):
            most = most_usd(question, self._judge.provider, self._judge.table) or 0.0
            if self.stopped is not None or not self._reserve(most):
                return self._broken_off(attempt, spent)
            try:
                reply = self._ask(question, most)
            except ProviderError as error:
                spent = _sum(spent, most if error.billed and most else None)
                if error.fatal:
                    self.stopped = str(error)
                    return None
                if not self._waits(error, attempt):
                    failure = Failure(error.kind, str(error))
                    return Judged(failure, self._judge.provider.model, Usage(), spent, attempt)
                continue
            return self._judged(question, reply, attempt, spent)
        raise AssertionError("the last attempt never waits")

    def _ask(self, question: Question, most: float) -> Reply:
        cost = most  # of whatever else may go wrong after it was sent
        try:
            reply = self._judge.provider.ask(question)
            known = self._cost(reply)
            cost = most if known is None else known
            return reply
        except ProviderError as error:
            cost = most if error.billed else 0.0
            raise
        finally:
            self.purse.settle(most, cost)

    def _reserve(self, most: float) -> bool:
        if self.purse.reserve(most):
            return True
        limit = self.purse.limit_usd
        self.too_dear = self.too_dear or self.stopped is None
        self.stopped = self.stopped or (
            f"the limit of ${limit:g} does not allow for another request, which may cost "
            f"${most:.4f}; ${self.purse.spent_usd:.4f} were spent; raise the limit to go on"
        )
        return False

    def _broken_off(self, attempt: int, spent: Optional[float]) -> Optional[Judged]:
        """A question that was asked in vain keeps what it cost; one never asked is left."""
        if attempt == 1 or spent is None:
            return None
        failure = Failure("timeout", f"no further attempt: {self.stopped}")
        return Judged(failure, self._judge.provider.model, Usage(), spent, attempt - 1)

    def _waits(self, error: ProviderError, attempt: int) -> bool:
        """Wait before the next attempt; False when there should be none."""
        asked_s = error.retry_after_s or 0.0
        if not error.retry or attempt == MOST_ATTEMPTS or asked_s > LONGEST_WAIT_S:
            return False
        backoff_s: float = _FIRST_WAIT_S * 2.0 ** (attempt - 1)
        self._judge.sleep(asked_s + self._judge.jitter() * backoff_s)
        return True

    def _judged(
        self, question: Question, reply: Reply, attempt: int, spent: Optional[float]
    ) -> Judged:
        answer = reply.answer
        outcome = answer if isinstance(answer, Failure) else question.choices.outcome(answer)
        cost = _sum(spent, self._cost(reply))
        model = reply.model or self._judge.provider.model
        return Judged(outcome, model, reply.usage, cost, attempt)

    def _cost(self, reply: Reply) -> Optional[float]:
        """What the provider says it cost, else the price of the tokens."""
        if reply.cost_usd is not None:
            return reply.cost_usd
        for model in (reply.model, self._judge.provider.model):
            cost = self._judge.table.cost(model, reply.usage)
            if cost is not None:
                return cost.total
        return None


def _sum(left: Optional[float], right: Optional[float]) -> Optional[float]:
    if left is None or right is None:
        return right if left is None else left
    return left + right
