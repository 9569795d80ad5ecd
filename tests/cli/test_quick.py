"""What others run all the time is answered before anything is loaded, and never wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest

from harness_tracing import agents
from harness_tracing.cli import quick
from harness_tracing.cli.registered import ALIASES, REGISTERED
from harness_tracing.cli.remembering import MOST_LINES
from harness_tracing.destinations import Target
from harness_tracing.store import Store
from harness_tracing.store.outbox import WATCHED
from tests.cli.conftest import CommandLine

PHOENIX = Target("phoenix", "http://127.0.0.1:9/v1/traces", "order-pricing")
KEY = "sekrit-0123456789abcdef"
HEAVY = {"click", "dataclasses", "hashlib", "json", "msgspec", "pathlib", "typing"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the commands themselves answer there")


def loaded(user: CommandLine, *arguments: str) -> set[str]:
    """The modules that a run of the command loads."""
    code = (
        "import atexit, sys; from harness_tracing.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        env=user.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name.split(".")[0] for name in ran.stderr.split()}


# --- hook-command


def test_the_table_is_what_the_descriptors_say() -> None:
    known = [agents.get(name) for name in agents.names()]
    assert {
        agent.name: (agent.own_shell, tuple(event.name for event in agent.events))
        for agent in known
    } == REGISTERED, "make vendor"
    assert {alias: agent.name for agent in known for alias in agent.aliases} == ALIASES


def test_the_queries_are_those_of_the_store() -> None:
    assert quick.QUERIES == WATCHED


@pytest.mark.parametrize("agent", ["claude", *sorted(REGISTERED)])
def test_it_is_the_line_of_the_command_itself(
    run: CommandLine, agent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [event.name for event in agents.get(agent).events]
    for event in (*events, "NoSuchEvent"):
        itself = run("hook-command", agent, event).out
        assert quick.answers(["hook-command", agent, event], run.environ)
        assert capsys.readouterr().out == itself


@pytest.mark.parametrize(
    "words",
    [["hook-command"], ["hook-command", "nonsense", "Stop"], ["status", "--json"], ["doctor"], []],
    ids=" ".join,
)
def test_all_else_is_for_the_command_itself(run: CommandLine, words: list[str]) -> None:
    assert not quick.answers(words, run.environ)


def test_nothing_heavy_is_loaded_for_it(traced: CommandLine) -> None:
    assert not loaded(traced, "hook-command", "claude", "Stop") & (HEAVY | {"sqlite3"})
    loaded(traced, "status")
    assert not loaded(traced, "status") & HEAVY
    assert "click" in loaded(traced, "status", "--json"), "the check can fail"


def test_a_reader_that_goes_away_is_no_traceback(traced: CommandLine) -> None:
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    assert reader.stdin is not None
    ran = subprocess.run(
        [sys.executable, "-m", "harness_tracing.cli", "hook-command", "claude", "Stop"],
        env=traced.environ,
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    reader.stdin.close()
    assert (ran.returncode, ran.stderr) == (0, "")


# --- status


@pytest.fixture
def user(traced: CommandLine) -> CommandLine:
    """Somebody in a project, with a backend, whose line has been made once."""
    project = traced.folder / "work" / "service"
    project.mkdir(parents=True)
    traced.environ.update(PWD=str(project), PHOENIX_ENDPOINT="http://127.0.0.1:9")
    traced.environ["PHOENIX_API_KEY"] = KEY
    traced("status")
    return traced


def test_the_line_is_remembered(user: CommandLine) -> None:
    assert quick.remembered(user.environ) == "tracing · phoenix ok\n"
    assert user.process("status").out == user("status").out


def test_one_agents_line_is_another_one(user: CommandLine) -> None:
    user("disable", "codex")
    of_codex = user("status", "--agent", "codex").out
    assert of_codex.startswith("codex: off")
    assert quick.remembered(user.environ, "codex") == of_codex
    assert quick.remembered(user.environ, "claude-code") is None
    user("status", "--agent", "claude")
    assert quick.answers(["status", "--agent", "claude"], user.environ)
    assert not quick.answers(["status", "--agent", "nonsense"], user.environ)


def off(user: CommandLine) -> None:
    user.environ["ARIZE_TRACE_ENABLED"] = "false"


def settings(folder: str, name: str) -> Callable[[CommandLine], None]:
    def write(user: CommandLine) -> None:
        path = user.folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"env": {"ARIZE_TRACE_ENABLED": "false"}}))

    return write


def codex(user: CommandLine) -> None:
    user("disable", "codex")


def config(user: CommandLine) -> None:
    user.home.config.write_text("enabled: false\n")


def waiting(user: CommandLine) -> None:
    with Store.open(user.home.store) as store:
        store.outbox.add(store.final_turns(), [PHOENIX], time.time_ns())


def failing(user: CommandLine) -> None:
    waiting(user)
    user("status")
    with Store.open(user.home.store) as store:
        (account,) = store.outbox.accounts()
        store.outbox.hold(account, time.time_ns(), "answered 503", time.time_ns())


def elsewhere(user: CommandLine) -> None:
    user.environ["PWD"] = "/"


def another_agents_folder(user: CommandLine) -> None:
    user.environ["CLAUDE_PROJECT_DIR"] = str(user.folder / "elsewhere")
    user("status")
    assert quick.remembered(user.environ)
    settings("work/service/.claude", "settings.json")(user)


def another_key(user: CommandLine) -> None:
    user.environ["PHOENIX_API_KEY"] = "another"


def gone(user: CommandLine) -> None:
    for path in user.home.root.glob("store.sqlite3*"):
        path.unlink()


@pytest.mark.parametrize(
    "change",
    [
        off,
        settings(".claude", "settings.json"),
        settings("work/.claude", "settings.json"),
        settings("work/service/.claude", "settings.local.json"),
        codex,
        config,
        waiting,
        failing,
        elsewhere,
        another_agents_folder,
        another_key,
        gone,
    ],
)
def test_whatever_may_change_the_line_has_it_made_anew(
    user: CommandLine, change: Callable[[CommandLine], None]
) -> None:
    change(user)
    assert quick.remembered(user.environ) is None
    made = user("status").out
    assert quick.remembered(user.environ) == made


def test_what_the_shell_counts_is_no_change(user: CommandLine) -> None:
    user.environ.update(SHLVL="7", OLDPWD="/", COLUMNS="80", _="/usr/bin/harness")
    assert quick.remembered(user.environ)


def test_it_holds_no_key_and_is_its_users_alone(user: CommandLine) -> None:
    (path,) = user.home.status.iterdir()
    assert KEY not in path.read_text() and KEY not in path.name
    assert path.stat().st_mode & 0o777 == 0o600
    assert user.home.status.stat().st_mode & 0o777 == 0o700


def test_a_problem_is_not_remembered(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True)
    run.home.config.write_text("destinations: 7\n")
    assert "destinations in" in run("status").out
    assert quick.remembered(run.environ) is None


def test_without_a_home_none_is_made(run: CommandLine) -> None:
    run("status")
    assert not run.home.root.exists() and quick.remembered(run.environ) is None


@pytest.mark.parametrize("damage", ["", "1\ntracing", "2\ntracing\nwhole", "1\nx\nrows\nwhole"])
def test_a_damaged_one_counts_for_nothing(user: CommandLine, damage: str) -> None:
    (path,) = user.home.status.iterdir()
    path.write_text(damage)
    assert quick.remembered(user.environ) is None
    assert user.process("status").out == "tracing · phoenix ok\n"


def test_only_so_many_are_kept(user: CommandLine) -> None:
    for number in range(MOST_LINES + 3):
        user.environ["NUMBER"] = str(number)
        user("status")
    assert len(list(user.home.status.iterdir())) == MOST_LINES
    assert quick.remembered(user.environ)


def test_another_home_has_another_line(user: CommandLine, tmp_path: Path) -> None:
    user.environ["ARIZE_HARNESS_HOME"] = str(tmp_path / "other")
    assert quick.remembered(user.environ) is None
    user.environ["ARIZE_HARNESS_HOME"] = "~/other"
    assert quick.place(user.environ) is None, "the command itself finds out"
