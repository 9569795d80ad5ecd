"""Phoenix answers 200 before it stores. Killed in between, it has everything after the re-send."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.phoenix.delivered import Delivered, exported, project_of
from tests.phoenix.playing import flushing_place, harness_of
from tests.phoenix.reading import Reading
from tests.phoenix.server import Phoenix
from tests.worker.player import capture

pytestmark = pytest.mark.phoenix


def test_a_phoenix_killed_right_after_200_has_everything_after_the_resend(
    tmp_path: Path, phoenix: Phoenix
) -> None:
    with flushing_place(tmp_path / "home", phoenix.url, "calls") as place:
        harness = harness_of(place)
        capture(place, "subagent_parallel")

        with phoenix.unable_to_store():
            harness("flush", "--wait")
            phoenix.kill()

        phoenix.start()
        ours = exported(harness, "calls")
        assert Reading(phoenix.url, project_of(ours)).spans() == {}
        harness("flush", "--wait", "--verify")
        delivered = Delivered.by(harness, phoenix.url, "calls")
        assert delivered.differences() == []
        assert delivered.session_differences() == []
