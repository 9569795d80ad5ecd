"""A before and after as lines for people."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Optional

from harness_tracing.improve.report import FEWEST, Median, Rate, Report, SideEffect
from harness_tracing.improve.statistics import Interval
from harness_tracing.observe.text import duration, moment, money, plain, plural

_WORDS = {
    "better": "Better",
    "worse": "Worse",
    "too_few_turns": "Too few turns yet",
    "not_told_apart": "Not told apart yet",
}


def lines(report: Report, zone: Optional[datetime.tzinfo] = None) -> list[str]:
    """The report as plain lines, times in `zone` (None: the user's own)."""
    where = f" in {plain(report.project)}" if report.project else ""
    title = (
        f"{plain(report.evaluator)}{where}, before and after {moment(report.applied_at_ns, zone)}"
    )
    return [
        title,
        "",
        f"  {'':8}{'turns':>6}{'passed':>8}{'rate':>7}   95 % interval",
        _rate("before", report.before),
        _rate("after", report.after),
        "",
        f"  {_said(report)}",
        *(f"  {line}" for line in _side_effects(report)),
        *(f"  {line}" for line in _notes(report)),
    ]


def _rate(name: str, side: Rate) -> str:
    rate = "" if side.rate is None else f"{side.rate:.0%}"
    between = _percents(side.interval)
    return f"  {name:8}{side.judged:>6}{side.passed:>8}{rate:>7}   {between}".rstrip()


def _said(report: Report) -> str:
    words = _WORDS[report.verdict]
    if report.verdict == "too_few_turns":
        return f"{words}: {report.why}."
    assert report.before.rate is not None
    assert report.after.rate is not None
    points = round(100 * (report.after.rate - report.before.rate))
    between = _points(report.change)
    return (
        f"{words}: {points:+d} points (95 %: {between}; Fisher's exact test: {_p(report.p)});"
        f" {report.why}."
    )


def _side_effects(report: Report) -> Iterator[str]:
    for effect, name in ((report.cost, "cost per turn"), (report.time, "time per turn")):
        before, after = (_median(side, effect) for side in (effect.before, effect.after))
        yield f"{name}: {before} → {after}: {_apart(effect)}"


def _apart(effect: SideEffect) -> str:
    if min(effect.before.count, effect.after.count) < FEWEST:
        return "too few turns yet"
    tested = f"Mann-Whitney: {_p(effect.p)}"
    if not effect.told_apart:
        return f"not told apart ({tested})"
    assert effect.before.value is not None
    assert effect.after.value is not None
    return f"{'more' if effect.after.value >= effect.before.value else 'less'} ({tested})"


def _median(side: Median, effect: SideEffect) -> str:
    if side.value is None:
        return "not known"
    text = _amount(side.value, effect)
    turns = plural(side.count, "turn")
    if side.interval is None:
        return f"{text} ({turns})"
    low, high = _amount(side.interval.low, effect), _amount(side.interval.high, effect)
    return f"{text} ({turns}, 95 %: {low} to {high})"


def _amount(value: float, effect: SideEffect) -> str:
    return money(value) if effect.what == "cost_usd" else duration(round(value * 1e9))


def _notes(report: Report) -> Iterator[str]:
    for name, side in (("before", report.before), ("after", report.after)):
        if side.unjudged:
            turns = plural(side.unjudged, "turn")
            yield f"{name}: {turns} could not be judged, counted neither way"
    if report.left_out:
        yield (
            f"left out: {plural(report.left_out, 'turn')} of sessions that had begun before, or"
            " after it was undone"
        )
    told = report.before.judged + report.after.judged
    sessions = report.before.sessions + report.after.sessions
    if sessions < told:
        yield (
            f"the turns are of {plural(sessions, 'session')}: those of one session resemble each"
            " other, so the true intervals are wider"
        )


def _percents(interval: Optional[Interval]) -> str:
    return "" if interval is None else f"{interval.low:.0%} to {interval.high:.0%}"


def _points(interval: Optional[Interval]) -> str:
    if interval is None:
        return "not known"
    return f"{round(100 * interval.low):+d} to {round(100 * interval.high):+d}"


def _p(p: Optional[float]) -> str:
    if p is None:
        return "not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
