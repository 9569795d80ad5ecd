"""`harness demo loop` with the real Claude Code: the hook that was proposed blocks for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import CLAUDE, HARNESS
from harness_tracing.loop_demo.client import Own, scripted_model
from harness_tracing.loop_demo.stage import Stage
from harness_tracing.loop_demo.tickets import FREESHIP, SAVE25
from harness_tracing.store import Store
from tools.docs_tutorial import AS_THE_TUTORIAL, PAGE, page, timeless

LASTED = re.compile(r"\d[\d.]* (ms|s|min)\b")
RULE = "verified_before_done"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path as short as that of the page: columns depend on it."""
    made = Path(tempfile.mkdtemp(prefix="harness-demo-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_loop_is_closed_by_a_hook_that_blocks(tmp_path: Path, folder: Path) -> None:
    words = ("demo", "loop", "--yes", "--claude", str(CLAUDE), "--folder", str(folder))
    done = subprocess.run(
        [str(HARNESS), *words],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], **AS_THE_TUTORIAL},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert labels(folder, FREESHIP.session_id) == ["partial", "partial"]
    assert labels(folder, SAVE25.session_id) == ["verified"]
    assert "Not done yet" in stopped(folder)
    assert list(tmp_path.iterdir()) == []
    printed = page(timeless(done.stdout))
    assert lines_of(printed) == lines_of(PAGE.read_text(encoding="utf-8"))


def test_a_users_own_agent_is_traced_in_the_demos_folder_alone(tmp_path: Path) -> None:
    user = tmp_path / "user"
    settings = {"env": {"ARIZE_HARNESS_HOME": str(user / "mine"), "ARIZE_TRACE_ENABLED": "false"}}
    (user / ".claude").mkdir(parents=True)
    (user / ".claude" / "settings.json").write_text(json.dumps(settings))
    with scripted_model() as model:
        caller = {
            "HOME": str(user),
            "PATH": os.environ["PATH"],
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": "test",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        stage = Stage(tmp_path / "demo", caller)
        stage.prepare()
        agent = Own(stage, CLAUDE)
        agent.work(FREESHIP)
    assert stage.harness("flush", "--wait").returncode == 0
    listed = json.loads(stage.harness("sessions", "list", "--json").stdout)
    assert [each["session_id"] for each in listed] == [agent.session_id(FREESHIP)]
    assert json.loads((user / ".claude" / "settings.json").read_text()) == settings
    assert not (user / "mine").exists() and not (user / ".arize").exists()


def labels(folder: Path, session_id: str) -> list[object]:
    """What the rule says of a session's turns."""
    with Store.open(folder / "home" / ".arize" / "harness" / "store.sqlite3") as store:
        found = store.annotations("claude-code", session_id)
    return [each.label for each in found if each.name == RULE]


def stopped(folder: Path) -> str:
    """What Claude Code says in its own file of a hook that did not let it stop."""
    (path,) = (folder / "home" / ".claude" / "projects").glob(f"*/{SAVE25.session_id}.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    told = [line["message"]["content"] for line in lines if line.get("type") == "user"]
    return next(str(each) for each in told if str(each).startswith("Stop hook feedback"))


def lines_of(text: str) -> list[str]:
    """Its lines, but for how long things took and how far columns are apart."""
    return [" ".join(LASTED.sub("", line).split()) for line in text.split("\n")]
