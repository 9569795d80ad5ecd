"""A session of the real `claude -p`, sent by its own worker, read back from a real Phoenix."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import CLAUDE
from tests.phoenix import live
from tests.phoenix.delivered import Delivered
from tests.phoenix.server import Phoenix, missing

pytestmark = [pytest.mark.phoenix, pytest.mark.e2e]


@pytest.mark.parametrize(("shape", "spans"), [("turns", 10), ("calls", 23)])
def test_a_real_session_is_the_same_in_phoenix(
    tmp_path: Path, phoenix: Phoenix, shape: str, spans: int
) -> None:
    if not CLAUDE.exists():
        missing(live.MISSING)
    with live.client(tmp_path / "home", phoenix.url, shape) as tracer:
        session_id = live.session(tracer)

        delivered = Delivered.by(lambda *words: tracer.run(*words).stdout, phoenix.url, shape)
        assert len(delivered.ours) == spans
        assert delivered.differences() == []
        assert delivered.session_differences() == []
        assert delivered.cost_differences() == []
        page = delivered.reading.session(session_id)
        assert page["numTraces"] == len(live.PROMPTS)
        assert page["firstInput"]["value"] == live.PROMPTS[0]
        assert page["lastOutput"]["value"] == "Both surveys are in."
        costs = delivered.reading.costs().values()
        assert page["costSummary"]["total"]["cost"] == pytest.approx(sum(filter(None, costs)))
