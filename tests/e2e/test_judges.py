"""The agents themselves as judges, by their real clients: a verdict, and nothing traced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkout import CLAUDE
from claude_client import Home
from codex_client import BYPASS, CODEX, Codex
from codex_scripts import RESPONSES
from harness_tracing.evaluate.judge import claude_code, codex
from harness_tracing.evaluate.judge.answers import Choices, Failure, Verdict
from harness_tracing.evaluate.judge.asking import Question
from harness_tracing.evaluate.judge.run import Judge
from harness_tracing.evaluate.templates import Prompt
from harness_tracing.loop_demo.messages_api import Step, Tool
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS, SUMMARY
from scripted_responses import Server, says, text
from tracer import Tracer

CHOICES = Choices({"correct": 1.0, "incorrect": 0.0}, explain=True)
GOOD = {"explanation": "It ran the check.", "label": "correct"}
BAD = {"explanation": "It was splendid.", "label": "splendid"}
JUDGES = {
    "judges": (Step(tools=(Tool("StructuredOutput", GOOD),)), Step(text="Judged.")),
    "talks": (Step(text="correct"), Step(text=json.dumps(GOOD)), Step(text="correct")),
    "invents": (Step(tools=(Tool("StructuredOutput", BAD),)), Step(text="So be it.")),
    "reaches_out": (Step(tools=(Tool("Bash", {"command": "touch reached"}),)), Step(text="Done.")),
}


def question(marker: str) -> Question:
    return Question(Prompt("You judge.", f"Did it run the check? [[{marker}]]"), CHOICES)


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A scripted model that can judge."""
    with ScriptedModel({**SCRIPTS, **JUDGES}, SUMMARY) as server:
        yield server


def test_claude_code_judges_and_no_session_comes_of_it(
    bare_home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    # Settings that would trace it: an agent lays them over the environment it was started with.
    traces = {"ARIZE_TRACE_ENABLED": "true", "HARNESS_UNTRACED": ""}
    bare_home.write_settings({"env": traces, "disableAllHooks": False})
    tracer.run("install", "claude-code")
    assert bare_home.prompt("Hello. [[simple]]").returncode == 0
    tracer.flush()
    assert len(tracer.sessions()) == 1  # the hooks work

    provider = claude_code.ClaudeCode(bare_home.env(), command=str(CLAUDE), timeout_s=60)
    markers = ("judges", "talks", "invents", "reaches_out")
    judge = Judge(provider, concurrency=1, sleep=lambda seconds: None)
    report = judge.judge([question(marker) for marker in markers])
    tracer.flush()
    assert len(tracer.sessions()) == 1
    judged, *others = report.judged
    assert judged is not None
    assert judged.outcome == Verdict("correct", 1.0, "It ran the check.")
    assert judged.cost_usd is not None
    assert judged.usage.input_tokens
    assert judged.model is not None
    for other in others:
        assert other is not None
        assert isinstance(other.outcome, Failure)
    assert not list(bare_home.path.rglob("reached"))
    transcripts = list((bare_home.path / ".claude" / "projects").glob("*/*.jsonl"))
    assert len(transcripts) == 1


@pytest.mark.skipif(not CODEX.exists(), reason=f"no Codex at {CODEX}: run `make setup-e2e`")
def test_codex_judges_and_no_session_comes_of_it(tmp_path: Path) -> None:
    heard: list[Any] = []

    def judges(body: Any) -> Any:
        heard.append(body)
        return says(text(json.dumps(GOOD)))

    with Server({**RESPONSES, "judges": (judges,), "talks": (says(text("correct")),)}) as server:
        client = Codex(tmp_path / "home", server.url)
        client.harness("install", "codex")
        client.exec("Hello. [[simple]]")
        assert len(client.sessions()) == 1  # the hooks work

        provider = codex.Codex(
            client.env(),
            model="gpt-5.5",
            command=str(CODEX),
            # Even where no hook has to be trusted.
            arguments=(*BYPASS, "-c", 'model_provider="scripted"', "-c", _provider(server.url)),
            timeout_s=60,
        )
        judge = Judge(provider, concurrency=1, sleep=lambda seconds: None)
        report = judge.judge([question("judges"), question("talks")])
        assert len(client.sessions()) == 1
    judged, other = report.judged
    assert judged is not None
    assert judged.outcome == Verdict("correct", 1.0, "It ran the check.")
    assert judged.cost_usd is not None
    assert other is not None
    assert isinstance(other.outcome, Failure)
    offered = {tool.get("name") for tool in heard[0].get("tools", ())}
    assert offered <= {"request_user_input", "apply_patch"}
    assert "You judge." in json.dumps(heard[0]["input"])


def _provider(url: str) -> str:
    fields = f'name="scripted",base_url="{url}/v1",wire_api="responses",env_key="SCRIPTED_KEY"'
    return f"model_providers.scripted={{{fields},request_max_retries=0,stream_max_retries=0}}"
