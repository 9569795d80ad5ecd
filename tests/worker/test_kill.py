"""kill -9 at any moment: run it again, and nothing is lost or doubled."""

from __future__ import annotations

import random
import threading

import pytest

from tests.worker.conftest import LONGEST_S, Undisturbed
from tests.worker.player import Place, Recording, assert_same, play, recording

NAMES = (
    "tool_cycle",
    "subagent_parallel",
    "multi_turn_resume",
    "subagent_background",
    "claude-code-own/interrupt_then_prompt",
)
KILLS = [pytest.param(seed, marks=pytest.mark.soak) if seed >= 5 else seed for seed in range(50)]


@pytest.mark.parametrize("seed", KILLS)
def test_a_worker_killed_at_random_moments_loses_and_doubles_nothing(
    place: Place, undisturbed: Undisturbed, seed: int
) -> None:
    name = NAMES[seed % len(NAMES)]
    moments, over, killed = random.Random(seed), threading.Event(), [0]

    def killer() -> None:
        while not over.wait(moments.uniform(0.05, 0.6)):
            killed[0] += place.kill_all()

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        play(Recording.ready(place, recording(name), longest_s=LONGEST_S))
    finally:
        over.set()
        thread.join()
    place.kill_all()

    result = place.flush()

    assert (result.left, result.messages) == (0, ())
    assert killed[0], "nothing was there to be killed: shows nothing"
    assert_same(place.contents(), undisturbed(name))
