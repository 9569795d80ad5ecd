"""Variables that setting up put into an agent's file are taken out again to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness_tracing import removal
from harness_tracing.cli.app import harness
from harness_tracing.cli.edge import Edge
from harness_tracing.setup.answers import Access, Answers, Content
from harness_tracing.setup.apply import Situation, planned
from tests.setup.test_plan import situation

FIRST = Answers(Access("phoenix", "http://localhost:6006", "K3y"), (), "Work", Content())
SECOND = Answers(Access("ax", "", "Ak-1", "U3Bh"), (), "Other", Content("ann", False))
ODD = '{ "model":"opus",\n\t"env" : {"MINE":"1", "ARIZE_USER_ID":"Bob"} }\n\n'
AGENTS = {"claude-code": ".claude/settings.json", "codex": ".codex/arize-env.sh"}
BEFORE = {"claude-code": ODD, "codex": "# mine\nexport ARIZE_USER_ID=Bob # me\nA=1"}


def write(now: Situation, answers: Answers) -> None:
    planned(now, answers, "agent").write()


def install(now: Situation, agent: str) -> None:
    with pytest.raises(SystemExit):
        harness.main(args=["install", agent], prog_name="harness", obj=Edge(now.env))


def take_out(now: Situation) -> None:
    assert removal.unregister(now.home, now.env).problems == ()
    assert not now.home.variables.exists()


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("hooks", ["never", "before", "after"])
def test_the_bytes_are_as_they_were(agent: str, hooks: str, tmp_path: Path) -> None:
    path = tmp_path / AGENTS[agent]
    path.parent.mkdir()
    path.write_text(BEFORE[agent])
    now = situation(tmp_path, agent)
    if hooks == "before":
        install(now, agent)
    write(now, FIRST)
    write(situation(tmp_path, agent), SECOND)
    if hooks == "after":
        install(now, agent)
    assert path.read_text() != BEFORE[agent]

    take_out(now)
    assert path.read_text() == BEFORE[agent]


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("hooks", ["never", "before", "after"])
def test_a_file_that_was_not_there_is_gone(agent: str, hooks: str, tmp_path: Path) -> None:
    now = situation(tmp_path, agent)
    if hooks == "before":
        install(now, agent)
    write(now, FIRST)
    if hooks == "after":
        install(now, agent)

    take_out(now)
    assert not (tmp_path / AGENTS[agent]).parent.exists()


def test_what_was_changed_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / AGENTS["claude-code"]
    path.parent.mkdir()
    path.write_text(ODD)
    write(situation(tmp_path, "claude-code"), FIRST)
    now = situation(tmp_path, "claude-code")
    write(now, SECOND)
    path.write_text(path.read_text().replace("Other", "By hand").replace("opus", "sonnet"))

    take_out(now)
    env = {"MINE": "1", "ARIZE_USER_ID": "Bob", "ARIZE_PROJECT_NAME": "By hand"}
    assert json.loads(path.read_text()) == {"model": "sonnet", "env": env}
