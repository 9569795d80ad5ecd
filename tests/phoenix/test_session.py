"""A session of the real `claude -p`, sent by its own worker, read back from a real Phoenix."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import CLAUDE, PLUGIN
from claude_client import Home
from scenarios import SCRIPTS, SUMMARY
from scripted_model import ScriptedModel
from tests.phoenix.delivered import Delivered
from tests.phoenix.server import Phoenix, missing
from tracer import Tracer

pytestmark = [pytest.mark.phoenix, pytest.mark.e2e]
NO_CLIENT = f"the real Claude Code is not at {CLAUDE}: run `make setup-e2e` (needs npm)"


@pytest.fixture(params=["turns", "calls"])
def shape(request: pytest.FixtureRequest) -> str:
    """Each shape."""
    return str(request.param)


@pytest.fixture
def tracer(tmp_path: Path, phoenix: Phoenix, shape: str) -> Iterator[Tracer]:
    """The tracer in a fresh home whose user sends to Phoenix."""
    if not CLAUDE.exists():
        missing(NO_CLIENT)
    with ScriptedModel(SCRIPTS, SUMMARY) as model:
        to = {"PHOENIX_ENDPOINT": phoenix.url, "ARIZE_TRACE_SHAPE": shape}
        tracer = Tracer(Home.fresh(tmp_path / "home", model.url, **to))
        tracer.install()
        tracer.home.always = ("--plugin-dir", str(PLUGIN))
        yield tracer
        tracer.kill_workers()


def test_a_real_session_is_the_same_in_phoenix(
    tracer: Tracer, phoenix: Phoenix, shape: str
) -> None:
    session_id = str(uuid.uuid4())
    prompts = ["Add SAVE25. [[tool_cycle]]", "Survey twice. [[subagent_parallel]]"]
    for number, prompt in enumerate(prompts):
        which = ("--resume", session_id) if number else ("--session-id", session_id)
        assert tracer.home.prompt(prompt, *which).returncode == 0

    tracer.run("flush", "--wait", "--verify")

    delivered = Delivered.by(lambda *words: tracer.run(*words).stdout, phoenix.url, shape)
    assert len(delivered.ours) == (10 if shape == "turns" else 23)
    assert delivered.differences() == []
    assert delivered.session_differences() == []
    assert delivered.cost_differences() == []
    page = delivered.reading.session(session_id)
    assert page["numTraces"] == 2
    assert page["firstInput"]["value"] == prompts[0]
    assert page["lastOutput"]["value"] == "Both surveys are in."
    cost = sum(filter(None, delivered.reading.costs().values()))
    assert page["costSummary"]["total"]["cost"] == pytest.approx(cost)
