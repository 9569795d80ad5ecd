"""Sessions of real clients, sent by their own workers, read back from a real Phoenix."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import CLAUDE
from codex_client import CODEX, Codex
from codex_scripts import RESPONSES
from scripted_responses import Server
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


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_a_real_session_of_codex_is_the_same_in_phoenix(
    tmp_path: Path, phoenix: Phoenix, shape: str
) -> None:
    if not CODEX.exists():
        missing(live.NO_CODEX)
    with Server(RESPONSES) as server:
        codex = Codex(tmp_path / "home", server.url)
        settings = f"export PHOENIX_ENDPOINT={phoenix.url}\nexport ARIZE_TRACE_SHAPE={shape}\n"
        (codex.folder / "arize-env.sh").write_text(settings)
        codex.harness("install", "codex")
        thread = codex.exec("Rename a parameter. [[tool_cycle]]")
        for marker in ("failing", "delegates", "error"):
            codex.exec("resume", thread, f"More. [[{marker}]]")
        codex.harness("flush", "--wait", "--verify")

        delivered = Delivered.by(lambda *words: codex.harness(*words).stdout, phoenix.url, shape)
        answered = [each for each in server.log if each["whole"]]
        calls = [span for span in delivered.calls.values() if span["status_code"] != "ERROR"]
        assert len([span for span in calls if span["kind"] == "LLM"]) == len(answered) == 14
        assert delivered.differences() == []
        assert delivered.session_differences() == []
        assert delivered.cost_differences() == []
        page = delivered.reading.session(thread)
        assert page["numTraces"] == 4
        assert page["firstInput"]["value"] == "Rename a parameter. [[tool_cycle]]"
