"""`harness import`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture
def kept(run: CommandLine) -> CommandLine:
    """The command line of a user who has a session of Codex and one of Claude Code on disk."""
    for source in ("codex/simple", "claude-code/simple"):
        home = RECORDINGS / source / "home"
        for folder in home.iterdir():
            target = run.folder / folder.name.replace("dot-", ".")
            shutil.copytree(folder, target, dirs_exist_ok=True)
    return run


def test_nothing_on_disk_is_said(run: CommandLine) -> None:
    ran = run("import")

    assert (ran.code, ran.out, ran.err) == (0, "", "No session on disk matches.\n")


def test_all_agents_sessions_are_taken_in_once(kept: CommandLine) -> None:
    first, second = kept("import", "--jobs", "1"), kept("import", "--jobs", "1")

    assert (first.code, first.out) == (0, "")
    assert first.err.splitlines() == [
        "Claude Code: 1 session imported, 1 turn.",
        "Codex: 1 session imported, 1 turn.",
    ]
    assert second.err.splitlines() == [
        "Claude Code: 0 sessions imported, 0 turns; 1 nothing new.",
        "Codex: 0 sessions imported, 0 turns; 1 nothing new.",
    ]
    assert len(kept("sessions", "list", "--json").json) == 2


def test_one_agent_as_json_has_what_became_of_each_session(kept: CommandLine) -> None:
    told = kept.process("import", "codex", "--json").json

    (session,) = told.pop("sessions")
    assert told == {
        "imported": 1,
        "turns": 1,
        "stopped": False,
        "unchanged": 0,
        "busy": 0,
        "off": 0,
        "empty": 0,
        "compressed": 0,
        "failed": 0,
    }
    assert session.pop("path").endswith(session.pop("session_id") + ".jsonl")
    assert session == {"agent": "codex", "outcome": "imported", "turns": 1, "reason": None}


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (("--project", "/home/dev/order-pricing"), 2),
        (("--project", "/home/dev"), 2),
        (("--project", "order-pricing"), 2),
        (("--project", "pricing"), 0),
        (("--project", "/home/dev/order"), 0),
        (("--since", "2999-01-01"), 0),
        (("--since", "2020-01-01"), 2),
    ],
)
def test_filters_choose_sessions(kept: CommandLine, filters: tuple[str, ...], count: int) -> None:
    told = kept("import", "--json", "--jobs", "1", *filters).json

    assert (told["imported"], len(told["sessions"])) == (count, count)


def test_a_session_that_fails_is_named_and_the_others_go_on(kept: CommandLine) -> None:
    (path,) = (kept.folder / ".codex").rglob("*.jsonl")
    path.unlink()
    path.mkdir()

    ran = kept("import", "--jobs", "1")

    assert ran.code == 1
    said = ran.err.splitlines()
    assert said[:2] == [
        "Claude Code: 1 session imported, 1 turn.",
        "Codex: 0 sessions imported, 0 turns; 1 failed.",
    ]
    assert said[2].startswith("codex session ") and said[2].endswith(f"({path})")


def test_an_unknown_agent_is_wrong_usage(run: CommandLine) -> None:
    ran = run("import", "nobody")

    assert ran.code == 2
    assert "unknown agent" in ran.err
