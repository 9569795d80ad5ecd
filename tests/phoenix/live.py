"""A session of the real client in a home whose destination is a Phoenix server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checkout import CLAUDE, PLUGIN
from claude_client import Home
from codex_client import CODEX
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS, SUMMARY
from tracer import Tracer

MISSING = f"the real Claude Code is not at {CLAUDE}: run `make setup-e2e` (needs npm)"
NO_CODEX = f"the real Codex is not at {CODEX}: run `make setup-e2e` (needs npm)"
PROMPTS = (
    "Add a discount code SAVE25: 25 % off the goods. [[tool_cycle]]",
    "Have the module surveyed twice. [[subagent_parallel]]",
)


@contextmanager
def client(folder: Path, url: str, shape: str) -> Iterator[Tracer]:
    """The tracer in a fresh home whose user sends to the server at `url`."""
    with ScriptedModel(SCRIPTS, SUMMARY) as model:
        to = {"PHOENIX_ENDPOINT": url, "ARIZE_TRACE_SHAPE": shape}
        tracer = Tracer(Home.fresh(folder, model.url, **to))
        tracer.install()
        tracer.home.always = ("--plugin-dir", str(PLUGIN))
        try:
            yield tracer
        finally:
            tracer.kill_workers()


def session(tracer: Tracer) -> str:
    """`claude -p` with the prompts, one after the other in one session, delivered; its id."""
    session_id = str(uuid.uuid4())
    for number, prompt in enumerate(PROMPTS):
        which = ("--resume", session_id) if number else ("--session-id", session_id)
        done = tracer.home.prompt(prompt, *which)
        assert done.returncode == 0, done
    tracer.run("flush", "--wait", "--verify")
    return session_id
