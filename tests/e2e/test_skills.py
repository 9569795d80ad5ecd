"""The real Claude Code and the real Codex find our skills: the plugins' and the user's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import PLUGIN, ROOT
from claude_client import Home
from codex_client import CODEX, Codex
from codex_scripts import RESPONSES
from scripted_responses import Server
from tracer import Tracer

NAMES = {"evaluate", "improve", "manage-tracing", "trace"}


def listed(home: Home, *arguments: str) -> set[str]:
    """The skills that a session says it has, in its first message."""
    done = home.prompt("Hi. [[simple]]", "--output-format", "stream-json", "--verbose", *arguments)
    messages = [json.loads(line) for line in done.stdout.split("\n") if line]
    (first,) = [each for each in messages if each.get("subtype") == "init"]
    return set(first["skills"])


def test_claude_code_lists_the_plugins_skills(tracer: Tracer) -> None:
    found = listed(tracer.home, "--plugin-dir", str(PLUGIN))
    assert {f"{PLUGIN.name}:{name}" for name in NAMES} <= found


def test_claude_code_lists_installed_skills_until_they_are_uninstalled(tracer: Tracer) -> None:
    tracer.run("skills", "install", "claude")
    assert listed(tracer.home) >= NAMES
    tracer.run("skills", "uninstall", "claude")
    assert not NAMES & listed(tracer.home)


@pytest.fixture
def codex(tmp_path: Path) -> Iterator[Codex]:
    """Codex, with nothing of ours registered."""
    with Server(RESPONSES) as server:
        yield Codex(tmp_path / "home", server.url)


@pytest.mark.skipif(not CODEX.exists(), reason=f"no Codex at {CODEX}: run `make setup-e2e`")
def test_codex_lists_both(codex: Codex) -> None:
    def skills() -> set[str]:
        (answer,) = codex.ask(("skills/list", {"cwds": [str(codex.project)]}))
        return {each["name"] for each in answer["data"][0]["skills"] if each["enabled"]}

    codex.harness("skills", "install", "codex")
    assert skills() >= NAMES
    codex.harness("skills", "uninstall", "codex")
    assert not NAMES & skills()
    for words in (
        ("marketplace", "add", str(ROOT)),
        ("add", "codex-tracing@coding-harness-tracing"),
    ):
        assert codex.start("plugin", *words).wait(timeout=60) == 0
    assert {f"codex-tracing:{name}" for name in NAMES} <= skills()
