"""The same scripted work, done by the real Claude Code and the real Codex, told the same way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import pytest

from claude_client import Home
from codex_client import CODEX, Codex
from codex_scripts import RESPONSES
from harness_tracing.loop_demo import project
from harness_tracing.loop_demo.messages_api import Step
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS, bash
from scripted_responses import Fails, Script, Server, call, run, says, text
from tracer import Span, Tree

pytestmark = pytest.mark.skipif(
    not CODEX.exists(), reason=f"no Codex at {CODEX}: run `make setup-e2e`"
)

PROJECT = "both"
SESSION = "11111111-2222-4333-8444-555555555555"
FILTERS = {
    "turns": "kind = 'LLM'",
    "completed": "kind = 'LLM' and attributes.harness.turn.status = 'completed'",
    "failed turns": "attributes.harness.span.type = 'turn' and status_code = 'ERROR'",
    "tools": "attributes.harness.span.type = 'tool'",
    "failed tools": "attributes.harness.span.type = 'tool' and status_code = 'ERROR'",
    "failures": "status_code = 'ERROR'",
}


@dataclass(frozen=True)
class Work:
    """A script for each agent, and how many spans (shape turns) each filter finds of it."""

    codex: Script
    claude: tuple[Step, ...]
    found: Mapping[str, int] = field(default_factory=dict)


WORK = {
    "tool_cycle": Work(
        RESPONSES["tool_cycle"],
        SCRIPTS["tool_cycle"],
        {"turns": 1, "completed": 1, "tools": 3},
    ),
    "fails": Work(
        (
            says(run("echo broken >&2; exit 3")),
            says(call("frobnicate", level=3)),
            says(text("Both failed.")),
        ),
        (
            Step(tools=(bash("echo broken >&2; exit 3"),)),
            Step(tools=(SCRIPTS["tool_failure"][2].tools[0],)),
            Step(text="Both failed."),
        ),
        {"turns": 1, "completed": 1, "tools": 2, "failed tools": 2, "failures": 2},
    ),
    "parallel": Work(
        (
            says(run("echo one"), run("sleep 0.2; echo two"), run("sleep 0.6; exit 3")),
            says(text("Two of three.")),
        ),
        (
            Step(tools=(bash("echo one"), bash("sleep 0.2; echo two"), bash("sleep 0.6; exit 3"))),
            Step(text="Two of three."),
        ),
        {"turns": 1, "completed": 1, "tools": 3, "failed tools": 1, "failures": 1},
    ),
    "refused": Work(
        (says(run("ls")), Fails(400)),
        (Step(tools=(bash("ls"),)), Step(always_fails=400)),
        {"turns": 1, "failed turns": 1, "tools": 1, "failures": 1},
    ),
}


@dataclass(frozen=True)
class Both:
    """One home with both agents, who did the work in one project."""

    codex: Codex
    sessions: Mapping[str, str]

    def spans(self, *words: str) -> dict[str, list[Span]]:
        """What an export of the whole project holds of each agent's session, oldest first."""
        exported = self.codex.harness("spans", "export", PROJECT, "--all", "--stdout", *words)
        spans = sorted(map(Span, json.loads(exported.stdout)), key=lambda span: span.start_time)
        return {
            agent: [span for span in spans if span["session.id"] == session_id]
            for agent, session_id in self.sessions.items()
        }


@pytest.fixture(params=WORK)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a piece of work."""
    return str(request.param)


@pytest.fixture
def both(tmp_path: Path, name: str) -> Iterator[Both]:
    """Both agents, each done with the work."""
    work = WORK[name]
    with Server({name: work.codex}) as server, ScriptedModel({name: work.claude}) as model:
        codex = Codex(tmp_path / "home", server.url)
        home = Home(codex.home, model.url, {"ARIZE_PROJECT_NAME": PROJECT})
        project.generate(home.project, home.env())
        for agent in ("codex", "claude-code"):
            codex.harness("install", agent)
        home.prompt(f"Please. [[{name}]]", session_id=SESSION)
        thread = codex.exec(f"Please. [[{name}]]", ARIZE_PROJECT_NAME=PROJECT)
        codex.harness("flush", "--wait")
        yield Both(codex, {"codex": thread, "claude-code": SESSION})


def test_the_same_work_is_told_the_same_way(both: Both, name: str) -> None:
    spans = both.spans("--shape", "calls")
    shapes = {agent: _shape(Tree(found), None) for agent, found in spans.items()}
    assert shapes["codex"] == shapes["claude-code"]
    assert len(shapes["codex"]) == 1
    turns = [Tree(found).turns[0] for found in spans.values()]
    for attribute in ("harness.turn.status", "harness.turn.number"):
        assert turns[0][attribute] == turns[1][attribute]
    for what, expression in FILTERS.items():
        counts = {len(found) for found in both.spans("--filter", expression).values()}
        assert counts == {WORK[name].found.get(what, 0)}, what


def _shape(tree: Tree, parent: Optional[Span]) -> list[Any]:
    """The spans below one as type, kind, status and what is below: in order, but parallel tools.

    Of several attempts of a model call, which Codex does not tell, the last counts.
    """
    found: list[Any] = []
    for span in tree.spans:
        if span.parent_id == (parent.id if parent else None):
            told = [span.type, span.kind, str(span.json["status_code"]), _shape(tree, span)]
            if [told] != found[-1:] or told[:3] != ["model_call", "LLM", "ERROR"]:
                found.append(told)
    return sorted(found) if parent is not None and parent.type == "model_call" else found
