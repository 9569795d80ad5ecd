"""Whether a proposal helped: an evaluator's pass rate before it was applied, and after."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Optional

from harness_tracing.improve.statistics import (
    Interval,
    difference,
    fisher,
    mann_whitney,
    median_interval,
    wilson,
)

FEWEST = 5
"""So many turns that passed or did not are wanted on each side before anything is said."""
LIKELY_CHANCE = 0.05

Verdict = Literal["better", "worse", "too_few_turns", "not_told_apart"]


@dataclass(frozen=True)
class JudgedTurn:
    """A turn as one evaluator judged it; `passed` is None where it could not be judged.

    `session_began_ns` is when its session began, by default with the first of its turns given.
    """

    session_id: str
    started_at_ns: int
    passed: Optional[bool]
    cost_usd: Optional[float] = None
    seconds: Optional[float] = None
    session_began_ns: Optional[int] = None


@dataclass(frozen=True)
class Rate:
    """One side: turns that passed and those that did not, with the Wilson interval of the rate.

    `unjudged` turns (not measurable, or the judge failed) count neither way.
    """

    passed: int
    judged: int
    unjudged: int
    sessions: int
    interval: Optional[Interval]

    @property
    def rate(self) -> Optional[float]:
        """The part that passed; None when nothing was judged."""
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True)
class Median:
    """The middle of some numbers; its interval needs six of them."""

    count: int
    value: Optional[float]
    interval: Optional[Interval]


@dataclass(frozen=True)
class SideEffect:
    """What a turn takes, before and after; `p` is of the test by Mann and Whitney."""

    what: Literal["cost_usd", "seconds"]
    before: Median
    after: Median
    p: Optional[float]

    @property
    def told_apart(self) -> bool:
        """Whether the numbers are many enough, and lie further apart than by chance."""
        few = min(self.before.count, self.after.count) < FEWEST
        return not few and self.p is not None and self.p < LIKELY_CHANCE


@dataclass(frozen=True)
class Report:
    """The pass rate before and after, what can be said of it, and what else changed.

    `left_out` are turns that count on neither side: of sessions that had begun before the change
    (an agent reads its rules and hooks when a session begins), and those after it was undone.
    """

    evaluator: str
    project: Optional[str]
    applied_at_ns: int
    reverted_at_ns: Optional[int]
    before: Rate
    after: Rate
    change: Optional[Interval]
    p: Optional[float]
    verdict: Verdict
    why: str
    cost: SideEffect
    time: SideEffect
    left_out: int


def report(
    turns: Iterable[JudgedTurn],
    applied_at_ns: int,
    *,
    evaluator: str,
    project: Optional[str] = None,
    reverted_at_ns: Optional[int] = None,
) -> Report:
    """The turns of one evaluator in one project, split at the moment a proposal was applied.

    Better or worse is said only when each side has FEWEST judged turns, the interval of the
    difference leaves out 0, and Fisher's exact test finds chance unlikely.
    """
    before, after, left_out = _split(list(turns), applied_at_ns, reverted_at_ns)
    first, then = _rate(before), _rate(after)
    change = difference(first.passed, first.judged, then.passed, then.judged)
    p = None
    if change is not None:
        missed = first.judged - first.passed, then.judged - then.passed
        p = fisher(first.passed, missed[0], then.passed, missed[1])
    verdict, why = _verdict(first, then, change, p)
    return Report(
        evaluator,
        project,
        applied_at_ns,
        reverted_at_ns,
        first,
        then,
        change,
        p,
        verdict,
        why,
        _side_effect("cost_usd", before, after),
        _side_effect("seconds", before, after),
        left_out,
    )


_Turns = list[JudgedTurn]


def _split(
    turns: _Turns, applied_at_ns: int, reverted_at_ns: Optional[int]
) -> tuple[_Turns, _Turns, int]:
    began: dict[str, int] = {}
    for turn in turns:
        known = turn.started_at_ns if turn.session_began_ns is None else turn.session_began_ns
        began[turn.session_id] = min(known, began.get(turn.session_id, known))
    before, after = [], []
    for turn in turns:
        if turn.started_at_ns < applied_at_ns:
            before.append(turn)
        elif began[turn.session_id] >= applied_at_ns and (
            reverted_at_ns is None or turn.started_at_ns < reverted_at_ns
        ):
            after.append(turn)
    return before, after, len(turns) - len(before) - len(after)


def _rate(turns: _Turns) -> Rate:
    told = [turn.passed for turn in turns if turn.passed is not None]
    sessions = len({turn.session_id for turn in turns})
    return Rate(
        sum(told), len(told), len(turns) - len(told), sessions, wilson(sum(told), len(told))
    )


def _verdict(
    before: Rate, after: Rate, change: Optional[Interval], p: Optional[float]
) -> tuple[Verdict, str]:
    for side, when in ((before, "before"), (after, "after")):
        if side.judged < FEWEST:
            return "too_few_turns", f"{side.judged} of {FEWEST} judged turns {when} it was applied"
    assert change is not None
    assert p is not None
    if change.holds(0.0):
        return "not_told_apart", "the interval of the difference holds 0"
    if p >= LIKELY_CHANCE:
        return "not_told_apart", f"chance alone does as much in {p:.0%} of cases"
    told: Verdict = "better" if change.low > 0 else "worse"
    return told, "the interval of the difference leaves out 0"


def _side_effect(what: Literal["cost_usd", "seconds"], before: _Turns, after: _Turns) -> SideEffect:
    first, then = ([_number(turn, what) for turn in side] for side in (before, after))
    known = (
        [each for each in first if each is not None],
        [each for each in then if each is not None],
    )
    return SideEffect(what, _median(known[0]), _median(known[1]), mann_whitney(*known))


def _number(turn: JudgedTurn, what: Literal["cost_usd", "seconds"]) -> Optional[float]:
    return turn.cost_usd if what == "cost_usd" else turn.seconds


def _median(values: list[float]) -> Median:
    middle = statistics.median(values) if values else None
    return Median(len(values), middle, median_interval(values))
