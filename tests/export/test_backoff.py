"""How long the next try waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.export.backoff import delay_s


def test_the_longest_wait_doubles_up_to_five_minutes():
    assert [delay_s(attempt, 1.0) for attempt in (1, 2, 3, 4, 9, 10, 1_000_000)] == [
        1.0,
        2.0,
        4.0,
        8.0,
        256.0,
        300.0,
        300.0,
    ]


def test_jitter_takes_its_part_of_it():
    assert delay_s(4, 0.0) == 0.0
    assert delay_s(4, 0.25) == 2.0


@given(st.integers(1, 50), st.floats(0, 1), st.floats(0, 3600))
def test_nobody_comes_before_the_time_the_backend_named(attempt, jitter, retry_after_s):
    assert delay_s(attempt, jitter, retry_after_s) >= retry_after_s


def test_those_who_were_told_the_same_time_do_not_all_come_at_it():
    assert delay_s(3, 0.1, 30.0) != delay_s(3, 0.9, 30.0)


def test_no_failure_is_nothing_to_wait_for():
    with pytest.raises(ValueError, match="0 failed attempts"):
        delay_s(0, 0.5)
