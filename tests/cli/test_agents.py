"""`harness agents`: what is here, how it is registered, whether it is trusted, what came of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness_tracing import agents
from tests.cli.conftest import CommandLine


def row(user: CommandLine, agent: str) -> dict[str, Any]:
    ran = user("agents", "--json")
    assert ran.code == 0
    (found,) = [each for each in ran.json if each["agent"] == agent]
    return dict(found)


def program(user: CommandLine, name: str, says: str) -> Path:
    """A client that says its version."""
    path = user.folder / "programs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    user.environ["PATH"] = f"{path.parent}{os.pathsep}{os.environ['PATH']}"
    return path


@pytest.fixture
def user(run: CommandLine) -> CommandLine:
    run.environ["PATH"] = "/usr/bin:/bin"
    return run


def test_every_agent_of_the_registry_has_a_row(user: CommandLine) -> None:
    rows = user("agents", "--json").json
    assert [each["agent"] for each in rows] == agents.names()
    assert all(each["registered"] == [] and each["last_event_at"] is None for each in rows)


def test_a_program_is_found(user: CommandLine) -> None:
    path = program(user, "claude", "2.1.330 (Claude Code)")
    found = row(user, "claude-code")
    assert (found["program"], found["found"]) == (str(path), str(path))


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("2.1.330 (Claude Code)", "2.1.330"),
        ("codex-cli 0.169.0", "0.169.0"),
        ("codex-cli 0.170.0-alpha.3", "0.170.0-alpha.3"),
        ("built by hand", "built by hand"),
    ],
)
def test_a_version_is_the_number_alone(user: CommandLine, says: str, version: str) -> None:
    program(user, "codex", says)
    assert row(user, "codex")["version"] == version


def test_an_agent_without_hooks_is_not_said_to_be_traced(user: CommandLine) -> None:
    user("install", "claude")
    assert row(user, "claude-code")["tracing"] == "tracing"
    assert row(user, "codex")["tracing"] == "not registered"
    assert user("agents").out.count("here: tracing") == 1


def test_without_a_program_its_folder_is_found(user: CommandLine) -> None:
    (user.folder / ".cursor").mkdir()
    found = row(user, "cursor")
    assert (found["program"], found["found"]) == (None, str(user.folder / ".cursor"))


def test_a_program_that_fails_has_no_version(user: CommandLine) -> None:
    program(user, "codex", "x").write_text("#!/bin/sh\nexit 3\n")
    found = row(user, "codex")
    assert found["program"] and found["version"] is None


def test_the_ways_of_registration_are_told_apart(user: CommandLine) -> None:
    user("install", "claude")
    settings = user.folder / ".claude" / "settings.json"
    known = json.loads(settings.read_text())
    known["enabledPlugins"] = {"claude-code-tracing@coding-harness-tracing": True, "x@y": True}
    settings.write_text(json.dumps(known))
    project = user.folder / "work"
    project.mkdir()
    user("install", "cursor", "--project", str(project), "--agent-version", "2.7")
    assert row(user, "claude-code")["registered"] == [
        {"how": "settings file", "where": str(settings), "whole": True},
        {"how": "plugin", "where": "claude-code-tracing@coding-harness-tracing", "whole": True},
    ]
    (way,) = row(user, "cursor")["registered"]
    assert (way["how"], way["where"]) == ("project", str(project / ".cursor" / "hooks.json"))


def test_hooks_that_somebody_took_out_are_not_whole(user: CommandLine) -> None:
    user("install", "claude")
    settings = user.folder / ".claude" / "settings.json"
    known = json.loads(settings.read_text())
    del known["hooks"]["Stop"]
    settings.write_text(json.dumps(known))
    (way,) = row(user, "claude-code")["registered"]
    assert not way["whole"]
    assert "(not whole)" in user("agents").out


def test_codexs_trust_is_told_with_what_to_do(user: CommandLine) -> None:
    assert row(user, "codex")["trust"] is None, "nothing is registered that could be trusted"
    user("install", "codex")
    assert row(user, "codex")["trust"] == "untrusted"
    assert "open /hooks" in user("agents").err


def test_enabled_is_what_holds_here(user: CommandLine) -> None:
    user("disable", "codex")
    assert row(user, "codex")["enabled"] is False
    assert row(user, "claude-code")["enabled"] is True
    assert "off (ARIZE_TRACE_ENABLED" in row(user, "codex")["tracing"]


def test_sessions_are_counted(traced: CommandLine) -> None:
    found = row(traced, "claude-code")
    assert found["sessions"] >= 1


def test_the_last_event_may_still_lie_in_the_spool(user: CommandLine) -> None:
    folder = user.home.spool / "codex" / "s1"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "Stop.1.2").write_text("{}")
    os.utime(folder / "Stop.1.2", (1e9, 1e9))
    assert row(user, "codex")["last_event_at"].startswith("2001-09-09T01:46:40")
    assert "ago, 0 sessions" in user("agents").out
