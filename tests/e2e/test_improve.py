"""What `harness improve` puts into a project, taken by the real Claude Code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_client import Home
from harness_tracing import paths
from harness_tracing.improve import ladder
from harness_tracing.improve.apply import apply_proposal, revert_proposal
from harness_tracing.improve.proposal import Change, Proposal
from harness_tracing.improve.scripts import script
from harness_tracing.loop_demo.messages_api import Step, Tool
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from tests.improve.test_apply import tree

PRICING = {"file_path": "{cwd}/store/pricing.py"}


def bash(command: str) -> Step:
    return Step(tools=(Tool("Bash", {"command": command, "description": "Run it"}),))


EDIT = Step(tools=(Tool("Edit", {**PRICING, "old_string": "SAVE20", "new_string": "SAVE25"}),))
CALLS = (
    Step(tools=(Tool("Read", {"file_path": "{cwd}/.env"}),)),
    bash("cat .env"),
    bash("git status && git commit --allow-empty -m x --no-verify"),
    EDIT,
    Step(tools=(Tool("Read", PRICING),)),
    EDIT,
    bash("git status --short"),
    Step(text="Done."),
)


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel({"tries": CALLS, "left": (Step(text="Still not checked."),)}) as server:
        yield server


def proposal(home: Home, *changes: Change) -> Proposal:
    return Proposal(
        "im_e2e", "rule", "stop_hook", "claude-code", str(home.project), "p", changes, "text"
    )


def results(home: Home) -> list[tuple[str, bool]]:
    """What came of each tool call, in order: its text, and whether it failed."""
    found = []
    for file in (home.path / ".claude" / "projects").glob("*/*.jsonl"):
        for line in filter(None, file.read_text(encoding="utf-8").split("\n")):
            content: Any = (json.loads(line).get("message") or {}).get("content")
            for block in content if isinstance(content, list) else ():
                if block.get("type") == "tool_result":
                    found.append((str(block["content"]), bool(block.get("is_error"))))
    return found


def test_denied_is_denied_and_hooks_block_what_they_say(bare_home: Home, tmp_path: Path) -> None:
    (bare_home.project / ".env").write_text("KEY=1\n")
    before = tree(bare_home.project)
    wanted = []
    for kind in ("stop_hook", "pre_tool_hook"):
        name, event, matcher = ladder.HOOKS[kind]
        gate = ["make", "check"] if kind == "stop_hook" else None
        wanted.append(Change(ladder.hook_file(name), "file", script(name, gate)))
        command = ladder.hook_command(name)
        wanted.append(Change(ladder.SETTINGS, "hook", command, event=event, matcher=matcher))
    entries = ("Read(./.env)", "Bash(git commit *--no-verify*)")
    made = [
        proposal(bare_home, *wanted[:2]),
        proposal(bare_home, *wanted[2:]),
        proposal(bare_home, Change(ladder.SETTINGS, "deny", entries=entries)),
    ]
    homes = [paths.Home(tmp_path / f"kept-{number}") for number in range(len(made))]
    for each, kept in zip(made, homes):
        apply_proposal(each, kept, 1)

    ran = bare_home.prompt("Try it. [[tries]]")
    assert ran.returncode == 0, ran.stderr
    texts = results(bare_home)
    failed = [error for _, error in texts]
    assert failed == [True, True, True, True, False, False, False], texts
    assert all("denied" in text for text, _ in texts[:3])
    assert "was not read in this session" in texts[3][0]
    # The Stop hook kept it at work: the model was asked once more than the script says.
    transcript = "".join(
        file.read_text() for file in (bare_home.path / ".claude" / "projects").glob("*/*.jsonl")
    )
    assert "Stop hook feedback" in transcript
    assert "Not done yet: store/pricing.py was changed" in transcript

    (bare_home.project / "store/pricing.py").write_bytes(before["store/pricing.py"])
    for each, kept in reversed(list(zip(made, homes))):
        revert_proposal(each, kept)
    after = tree(bare_home.project)
    assert {name: after.get(name) for name in before if not name.startswith(".git/")} == {
        name: text for name, text in before.items() if not name.startswith(".git/")
    }
