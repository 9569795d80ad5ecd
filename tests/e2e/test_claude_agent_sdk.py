"""Programs that use the real Claude Agent SDK, in Python and in TypeScript, are traced whole."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from checkout import CLAUDE, HARNESS, ROOT
from claude_client import Home, wait_until
from harness_tracing.loop_demo.messages_api import Step, Tool
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS, SUMMARY, bash
from tracer import Span, Tracer, Tree, differences

SDK = ROOT / ".e2e" / "sdk"
TYPESCRIPT = ROOT / ".e2e" / "sdk-typescript" / "node_modules"
APP = Path(__file__).parent / "sdk" / "app.py"
A_MOMENT = (Step(tools=(bash("sleep 1.5; echo slept"),)), Step(text="Slept."))
ASK_PRICE = (
    Step(tools=(Tool("mcp__shop__price", {"thing": "a hat"}),)),
    Step(text="12."),
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of a program's own, with the SDK and this checkout's package installed."""
    if not (SDK / "bin" / "python").exists():
        pytest.skip(f"no SDK at {SDK}: run `make setup-e2e`")
    folder = tmp_path_factory.mktemp("app") / "venv"
    make = [str(SDK / "bin" / "python"), "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(make, check=True)
    python = folder / "bin" / "python"
    (own,) = (folder / "lib").glob("python3.*/site-packages")
    (theirs,) = (SDK / "lib").glob("python3.*/site-packages")
    source = ROOT / "python" / "src"
    (own / "installed.pth").write_text(f"{theirs}\n{source}\n", encoding="utf-8")
    return python


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """The scripted model, which knows the program's own tool as well."""
    own = {"ask_price": ASK_PRICE, "a_moment": A_MOMENT}
    with ScriptedModel({**SCRIPTS, **own}, SUMMARY) as server:
        yield server


def run(
    python: Path,
    home: Home,
    way: str,
    *prompts: str,
    status: int = 0,
    untraced: bool = False,
    **env: str,
) -> list[dict[str, Any]]:
    """What the program says it saw."""
    done = subprocess.run(
        [str(python), str(APP), way, *prompts],
        cwd=home.project,
        env=home.env(**{"TEST_CLAUDE": str(CLAUDE), **env}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done
    assert ("is not traced" in done.stderr) == untraced, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def ended_session(tracer: Tracer) -> dict[str, Any]:
    """The one session, when it has ended."""

    def ended() -> Optional[dict[str, Any]]:
        sessions = tracer.sessions()
        return sessions[0] if sessions and sessions[0]["ended_at"] else None

    tracer.flush()
    found: dict[str, Any] = wait_until(ended, every_s=0.5)
    (listed,) = tracer.sessions()
    assert listed == found
    return found


def traced(
    home: Home,
    model: ScriptedModel,
    turns: list[str],
    entrypoint: str = "sdk-py",
    **expected: Any,
) -> list[Span]:
    """The spans of the only session, found to be what the model served."""
    tracer = Tracer(home)
    session = ended_session(tracer)
    assert not (tracer.root / "bootstrap").exists(), "the program's own environment does it all"
    spans = tracer.spans(session["session_id"])
    log = model.answered(session["session_id"])
    assert log and differences(spans, log, turns=turns, **expected) == []
    assert {span["entrypoint"] for span in spans} == {entrypoint}
    return spans


def assert_belongs_to_the_program(
    home: Home, spans: list[Span], said: list[dict[str, Any]]
) -> None:
    """Each turn is linked to the span that the program was in, and in the program's project."""
    for turn in Tree(spans).turns:
        assert turn.json["links"] == [{"context": said[-1]["context"]}]
    (session,) = Tracer(home).sessions()
    assert session["project"] == "shop"


def test_a_one_shot_query_is_traced_under_the_programs_own_span(
    python: Path, bare_home: Home, model: ScriptedModel
) -> None:
    """Without any settings file, and with the Claude Code that the SDK brings along."""
    said = run(python, bare_home, "one_shot", "Add SAVE25. [[tool_cycle]]", TEST_CLAUDE="")
    spans = traced(bare_home, model, ["completed"])
    assert_belongs_to_the_program(bare_home, spans, said)
    assert {span["user.id"] for span in spans} == {"ada"}


def test_a_client_of_several_turns_is_one_session(
    python: Path, bare_home: Home, model: ScriptedModel
) -> None:
    run(python, bare_home, "turns", "Hi. [[simple]]", "Survey. [[subagent_parallel]]")
    traced(bare_home, model, ["completed", "completed"])


def test_an_interrupted_turn_is_told_from_the_one_after_it(
    python: Path, bare_home: Home, model: ScriptedModel
) -> None:
    run(python, bare_home, "interrupt", "Wait. [[slow_tool]]", "Go on. [[again]]")
    statuses = {"time.sleep": "interrupted"}
    traced(bare_home, model, ["interrupted", "completed"], tool_status=statuses)


def test_a_tool_of_the_programs_own_is_a_tool(
    python: Path, bare_home: Home, model: ScriptedModel
) -> None:
    run(python, bare_home, "own_mcp", "What does it cost? [[ask_price]]")
    spans = traced(bare_home, model, ["completed"])
    (tool,) = [span for span in spans if span["tool.name"] == "mcp__shop__price"]
    assert "a hat costs 12" in tool["output.value"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_callbacks_alone_tell_the_same(
    python: Path, bare_home: Home, model: ScriptedModel, backend: str
) -> None:
    """The session ends, although nobody says so: its process is gone."""
    prompts = ("Hi. [[simple]]", "Look. [[parallel_tools]]")
    said = run(python, bare_home, "in_process", *prompts, TEST_BACKEND=backend)
    spans = traced(bare_home, model, ["completed", "completed"])
    assert_belongs_to_the_program(bare_home, spans, said)


def test_callbacks_know_the_new_process_of_a_resumed_session(
    python: Path, bare_home: Home, model: ScriptedModel
) -> None:
    run(python, bare_home, "resumed", "Hi. [[simple]]", "Wait. [[a_moment]]")
    traced(bare_home, model, ["completed", "completed"])


def test_a_program_that_dies_leaves_an_ended_session(
    python: Path, bare_home: Home, model: ScriptedModel
) -> None:
    run(python, bare_home, "dies", "Wait. [[slow_tool]]", status=-signal.SIGKILL)
    session = ended_session(Tracer(bare_home))
    assert (session["open"], session["last_status"]) == (False, "interrupted")


def test_what_the_program_has_set_itself_stays(python: Path, bare_home: Home) -> None:
    (found,) = run(python, bare_home, "keeps")
    assert found["untouched"]
    assert found["again"]
    assert found["changed"] == ["env", "plugins"]
    assert found["env"] == {
        "ARIZE_PROJECT_NAME": "mine",
        "ARIZE_USER_ID": "ada",
        "OTHER": "1",
    }
    mine, ours = found["plugins"]
    assert mine["path"] == "/mine"
    assert Path(ours["path"]).parent == bare_home.path / ".arize" / "harness" / "agent-sdk"
    assert found["first_at_stop"]
    assert found["hooks"].pop("Stop") == 2
    assert set(found["hooks"].values()) == {1}
    assert {"PreToolUse", "PostToolUse", "UserPromptSubmit"} < set(found["hooks"])


def test_where_nothing_can_be_written_the_program_runs_untraced_and_is_told(
    python: Path, bare_home: Home
) -> None:
    nowhere = "/dev/null/harness"
    (found,) = run(python, bare_home, "keeps", untraced=True, ARIZE_HARNESS_HOME=nowhere)
    assert [plugin["path"] for plugin in found["plugins"]] == ["/mine"]


@pytest.mark.skipif(not TYPESCRIPT.exists(), reason=f"no SDK at {TYPESCRIPT}: run `make setup-e2e`")
def test_a_typescript_program_is_traced_by_the_lines_of_the_documentation(
    bare_home: Home, model: ScriptedModel, tmp_path: Path
) -> None:
    shutil.copy(APP.parent / "typescript" / "app.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(TYPESCRIPT)
    env = bare_home.env(TEST_CLAUDE=str(CLAUDE))
    env["PATH"] = f"{HARNESS.parent}:{env['PATH']}"
    words = ["node", str(tmp_path / "app.mjs"), "Add SAVE25. [[tool_cycle]]"]
    done = subprocess.run(
        words, cwd=bare_home.project, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done
    session_id, result = json.loads(done.stdout)
    assert result == "SAVE25 takes 25 % off; `make check` passes."
    spans = traced(bare_home, model, ["completed"], entrypoint="sdk-ts")
    assert {span["session.id"] for span in spans} == {session_id}
    (session,) = Tracer(bare_home).sessions()
    assert session["project"] == "my-service"
