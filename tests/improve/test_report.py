"""Before and after: known values of the statistics, and what is said of turns."""

from __future__ import annotations

import datetime
import itertools
import math
from typing import Optional

import pytest

from harness_tracing.improve.report import JudgedTurn, Report, report
from harness_tracing.improve.report_text import lines
from harness_tracing.improve.statistics import (
    Interval,
    difference,
    fisher,
    mann_whitney,
    median_interval,
    wilson,
)

APPLIED = 1_000


def close(found: Optional[Interval], low: float, high: float) -> bool:
    assert found is not None
    return found.low == pytest.approx(low, abs=5e-5) and found.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(
    "hits, of, low, high",
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_a_rate_has_wilsons_interval(hits: int, of: int, low: float, high: float) -> None:
    assert close(wilson(hits, of), low, high)


def test_nothing_has_no_interval() -> None:
    assert wilson(0, 0) is None
    assert difference(0, 0, 1, 2) is None
    assert mann_whitney([], [1.0]) is None


@pytest.mark.parametrize(
    "later, earlier, low, high",
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_a_difference_has_newcombes_interval(
    later: tuple[int, int], earlier: tuple[int, int], low: float, high: float
) -> None:
    assert close(difference(*earlier, *later), low, high)
    assert close(difference(*later, *earlier), -high, -low)


@pytest.mark.parametrize(
    "table, p",
    [
        ((3, 1, 1, 3), 34 / 70),  # Fisher's tea
        ((8, 2, 1, 5), 0.034965035),
        ((1, 9, 11, 3), 0.002759456),
        ((12, 40, 33, 37), 0.007929637913),
        ((0, 5, 5, 0), 2 / 252),
        ((2, 3, 0, 0), 1.0),
        ((500, 500, 500, 500), 1.0),
    ],
)
def test_fishers_test_gives_known_values(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p, rel=1e-6)
    assert fisher(*table[2:], *table[:2]) == pytest.approx(p, rel=1e-6)


def test_fishers_test_agrees_with_counting_every_table() -> None:
    for hits, misses, later, missed in itertools.product(range(5), repeat=4):
        rows, column = (hits + misses, later + missed), hits + later

        def ways(first: int) -> int:
            return math.comb(rows[0], first) * math.comb(rows[1], column - first)  # noqa: B023

        everything = range(max(0, column - rows[1]), min(rows[0], column) + 1)
        rarer = sum(ways(each) for each in everything if ways(each) <= ways(hits))
        expected = rarer / math.comb(sum(rows), column)
        assert fisher(hits, misses, later, missed) == pytest.approx(expected)


@pytest.mark.parametrize("count, low, high", [(6, 1, 6), (10, 2, 9), (20, 6, 15), (50, 18, 33)])
def test_a_median_lies_between_known_ranks(count: int, low: int, high: int) -> None:
    assert median_interval(range(count, 0, -1)) == Interval(low, high)


def test_five_values_are_too_few_for_a_median() -> None:
    assert median_interval([1, 2, 3, 4, 5]) is None


def test_mann_whitney_gives_known_values() -> None:
    assert mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12]) == pytest.approx(0.111346887)
    assert mann_whitney([1, 2, 2, 3, 3], [2, 3, 4, 4, 5]) == pytest.approx(0.08567344)
    assert mann_whitney([1, 1, 1], [1, 1]) == 1.0


def turns(
    passed: int, failed: int, first_ns: int, *, cost: float = 0.01, seconds: float = 10.0
) -> list[JudgedTurn]:
    """Turns of a session each, from a time on, whose cost and time vary a little."""
    told = [True] * passed + [False] * failed
    return [
        JudgedTurn(f"s{first_ns + n}", first_ns + n, each, cost * (1 + n / 100), seconds + n / 10)
        for n, each in enumerate(told)
    ]


def said(*given: list[JudgedTurn], reverted_at_ns: Optional[int] = None) -> Report:
    return report(
        itertools.chain(*given),
        APPLIED,
        evaluator="verified_before_done",
        project="order-pricing",
        reverted_at_ns=reverted_at_ns,
    )


def test_a_clear_change_is_called_better_or_worse() -> None:
    found = said(turns(1, 9, 0), turns(9, 1, APPLIED))
    assert (found.verdict, found.before.rate, found.after.rate) == ("better", 0.1, 0.9)
    assert found.change is not None
    assert found.change.low > 0
    assert found.p == pytest.approx(0.001, abs=5e-4)
    assert said(turns(9, 1, 0), turns(1, 9, APPLIED)).verdict == "worse"


@pytest.mark.parametrize("before, after", [(4, 20), (20, 4), (0, 20), (20, 0), (1, 1)])
def test_fewer_than_five_judged_turns_on_a_side_are_too_few(before: int, after: int) -> None:
    found = said(turns(0, before, 0), turns(after, 0, APPLIED))
    assert found.verdict == "too_few_turns"
    assert "of 5 judged turns" in found.why


def test_a_change_that_may_be_chance_is_not_told_apart() -> None:
    found = said(turns(3, 3, 0), turns(5, 1, APPLIED))
    assert found.verdict == "not_told_apart"
    assert found.change is not None
    assert found.change.holds(0.0)


def test_turns_that_could_not_be_judged_count_neither_way() -> None:
    unjudged = [JudgedTurn(f"u{n}", n, None) for n in range(3)]
    found = said(turns(2, 4, 100), unjudged, turns(6, 0, APPLIED))
    assert (found.before.judged, found.before.passed, found.before.unjudged) == (6, 2, 3)


def test_a_session_that_had_begun_before_counts_on_neither_side_afterwards() -> None:
    old = [JudgedTurn("old", at, True) for at in (APPLIED - 1, APPLIED, APPLIED + 1)]
    known = [JudgedTurn("known", APPLIED + 5, True, session_began_ns=APPLIED - 5)]
    found = said(old, known, turns(2, 0, APPLIED + 10))
    assert (found.before.judged, found.after.judged, found.left_out) == (1, 2, 3)


def test_turns_after_it_was_undone_are_left_out() -> None:
    found = said(turns(0, 5, 0), turns(5, 0, APPLIED), turns(0, 7, 5_000), reverted_at_ns=5_000)
    assert (found.after.passed, found.after.judged, found.left_out) == (5, 5, 7)


def test_cost_and_time_are_told_apart_only_where_they_are() -> None:
    found = said(turns(8, 0, 0, seconds=10), turns(8, 0, APPLIED, seconds=60))
    assert found.time.told_apart
    assert not found.cost.told_apart
    assert found.time.after.value == pytest.approx(60.35)
    assert found.time.after.interval == Interval(60, 60.7)


def test_few_numbers_are_never_told_apart() -> None:
    found = said(turns(4, 0, 0, cost=0.01), turns(400, 0, APPLIED, cost=9.0))
    assert not found.cost.told_apart


def test_a_turn_without_a_price_has_no_cost() -> None:
    found = said([JudgedTurn("a", 0, True)])
    assert (found.cost.before.count, found.cost.before.value, found.cost.p) == (0, None, None)


def text(found: Report) -> str:
    return "\n".join(lines(found, datetime.timezone.utc))


def test_the_text_shows_counts_intervals_and_side_effects() -> None:
    assert text(said(turns(1, 9, 0), turns(9, 1, APPLIED, seconds=60))) == (
        "verified_before_done in order-pricing, before and after 1970-01-01 00:00\n"
        "\n"
        "           turns  passed   rate   95 % interval\n"
        "  before      10       1    10%   2% to 40%\n"
        "  after       10       9    90%   60% to 98%\n"
        "\n"
        "  Better: +80 points (95 %: +37 to +92; Fisher's exact test: p = 0.001);"
        " the interval of the difference leaves out 0.\n"
        "  cost per turn: $0.0105 (10 turns, 95 %: $0.0101 to $0.0108) →"
        " $0.0105 (10 turns, 95 %: $0.0101 to $0.0108): not told apart (Mann-Whitney: p = 1.000)\n"
        "  time per turn: 10.4 s (10 turns, 95 %: 10.1 s to 10.8 s) →"
        " 1 m 0 s (10 turns, 95 %: 1 m 0 s to 1 m 1 s): more (Mann-Whitney: p < 0.001)"
    )


def test_the_text_is_honest_about_too_few_turns() -> None:
    told = text(said(turns(0, 1, 0), turns(1, 0, APPLIED)))
    assert "Too few turns yet: 1 of 5 judged turns before it was applied." in told
    assert "Better" not in told
    assert told.count("too few turns yet") == 2


def test_the_text_is_honest_about_turns_of_one_session() -> None:
    same = [JudgedTurn("s", at, True) for at in range(6)]
    assert "the turns are of 1 session" in text(said(same))


def test_the_text_shows_no_terminal_escapes() -> None:
    found = report([], APPLIED, evaluator="a\x1b[2Jb", project="\x1b]0;x\x07p")
    assert "\x1b" not in text(found)
