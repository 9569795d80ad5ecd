"""A clock that is set back by an hour: nothing is lost, nothing waits for an hour."""

from __future__ import annotations

import time

from harness_tracing.worker.session import SteadyClock
from tests.worker.conftest import Undisturbed
from tests.worker.player import HOUR_NS, Place, Recording, assert_same, put_event, recording

NAME = "multi_turn_resume"


def put(place: Place, made: Recording) -> None:
    """Put all events into the spool, each with its own time."""
    for call in made.calls:
        put_event(place, call.session_id, call.event, call.payload.encode(), call.at_ns)


def test_events_and_lines_from_before_and_after_the_jump_are_all_stored(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = Recording.ready(place, recording(NAME), past=True, set_back_at=12)
    made.show_all()
    put(place, made)

    assert place.flush().left == 0

    assert_same(place.contents(), undisturbed(NAME))


def test_a_live_worker_goes_on_when_the_clock_is_set_back(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = Recording.ready(place, recording("tool_cycle"), set_back_at=5)
    for call in made.calls[:5]:
        made.show(call.lines)
        made.fire(call)
    for call in made.calls[5:]:
        made.show(call.lines)
        put_event(place, call.session_id, call.event, call.payload.encode(), call.at_ns)
        time.sleep(0.05)
    made.show_all()

    started = time.monotonic()
    assert place.flush().left == 0
    assert time.monotonic() - started < 10
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_waiting_times_neither_stand_still_nor_go_back() -> None:
    wall, steady = [10 * HOUR_NS], [0]
    clock = SteadyClock(lambda: wall[0], lambda: steady[0])
    assert clock() == 10 * HOUR_NS

    wall[0] -= HOUR_NS
    steady[0] += 2 * 10**9
    assert clock() == 10 * HOUR_NS + 2 * 10**9

    wall[0] += 2 * HOUR_NS
    steady[0] += 10**9
    assert clock() == 11 * HOUR_NS


def test_a_worker_after_the_jump_goes_on_from_the_time_before_it() -> None:
    clock = SteadyClock(lambda: 9 * HOUR_NS, lambda: 0)

    clock.not_before(10 * HOUR_NS)

    assert clock() == 10 * HOUR_NS


def test_an_event_written_before_the_jump_that_is_not_whole_is_not_waited_for_an_hour(
    place: Place,
) -> None:
    put_event(place, "a-session", "Stop", b'{"session_id": "a-ses', time.time_ns() + HOUR_NS)

    assert place.flush(timeout_s=5).left == 0

    assert [path.name.split(".")[0] for path in place.home.quarantine.glob("*/*/*")] == ["Stop"]
