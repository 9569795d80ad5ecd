"""`harness ai-integrations`: what config.yaml names, what is missing, and one question asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.evaluate.judges import Api, Says, anthropic_body, openai_body, tool_use

KEY = "sk-not-a-key-but-long-enough-wxyz"
YES = {"explanation": "Two and two are four.", "label": "yes"}


def name(run: CommandLine, text: str) -> None:
    """Write ai_integrations of config.yaml."""
    run.home.root.mkdir(parents=True, exist_ok=True)
    run.home.config.write_text("ai_integrations:\n" + text, encoding="utf-8")


def gateway(
    run: CommandLine, api: Api, provider: str = "openai", model: str = "gpt-5-mini"
) -> None:
    base = api.url + ("/v1" if provider == "openai" else "")
    name(
        run,
        f"  gateway:\n    provider: {provider}\n    model: {model}\n    base_url: {base}\n"
        "    api_key_env: GATEWAY_KEY\n",
    )


def agent(folder: Path, answer: str) -> Path:
    """A command that answers as `claude -p --output-format json` does."""
    path = folder / "claude"
    path.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.read()\n{answer}\n")
    path.chmod(0o755)
    return path


def test_none_yet_says_how_to_name_one(run: CommandLine) -> None:
    ran = run("ai-integrations", "list")
    assert (ran.code, ran.out) == (0, "")
    assert "provider: claude-code" in ran.err and str(run.home.config) in ran.err
    assert run("ai-integrations", "list", "--json").json == []


def test_the_list_says_where_text_goes_and_what_is_missing(run: CommandLine) -> None:
    name(
        run,
        "  haiku:\n    provider: anthropic\n    model: claude-haiku-4-5\n"
        "  mine:\n    provider: claude-code\n    command: /nowhere/claude\n"
        "  local:\n    provider: openai\n    model: q\n    base_url: http://127.0.0.1:1/v1\n",
    )
    rows = {row["name"]: row for row in run("ai-integrations", "list", "--json").json}
    assert rows["haiku"]["sends_to"] == "https://api.anthropic.com"
    assert rows["haiku"]["key"] == "ANTHROPIC_API_KEY is not set"
    assert "ANTHROPIC_API_KEY is not set here" in rows["haiku"]["problem"]
    assert "/nowhere/claude is not on the PATH" in rows["mine"]["problem"]
    assert (rows["local"]["key"], rows["local"]["ready"]) == ("none is sent", True)
    table = run("ai-integrations", "list").out
    assert table.split()[:3] == ["name", "provider", "model"]
    assert "http://127.0.0.1:1/v1" in table


def test_a_key_is_masked(run: CommandLine) -> None:
    name(run, "  haiku:\n    provider: anthropic\n    model: claude-haiku-4-5\n")
    for key, shown in ((KEY, "(…wxyz)"), ("short", "is set")):
        run.environ["ANTHROPIC_API_KEY"] = key
        for words in (
            ("list",),
            ("list", "--json"),
            ("show", "haiku"),
            ("show", "haiku", "--json"),
        ):
            ran = run("ai-integrations", *words)
            assert ran.code == 0 and key not in ran.out + ran.err
        assert (
            f"ANTHROPIC_API_KEY is set{' ' + shown if key == KEY else ''}\n"
            in run("ai-integrations", "show", "haiku").out
        )
    assert run("ai-integrations", "show", "haiku", "--json").json["ready"] is True


@pytest.mark.parametrize(
    ("provider", "model", "body"),
    [
        ("openai", "gpt-5-mini", openai_body(YES)),
        ("anthropic", "claude-haiku-4-5", anthropic_body(tool_use(YES))),
    ],
)
def test_one_question_is_asked(run: CommandLine, provider: str, model: str, body: Any) -> None:
    run.environ["GATEWAY_KEY"] = KEY
    with Api(Says(body)) as api:
        gateway(run, api, provider, model)
        ran = run("ai-integrations", "test", "gateway")
        told = run("ai-integrations", "test", "gateway", "--json").json
        assert len(api.requests) == 2
        assert api.url in ran.err and "it costs $" in ran.err and "at most" in ran.err
    assert ran.code == 0 and ran.out.startswith("yes: Two and two are four.\n")
    assert model in ran.out and KEY not in ran.out + ran.err
    assert (told["label"], told["model"]) == ("yes", model) and told["cost_usd"] > 0


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (Says({"error": {"message": "bad key"}}, status=401), "bad key"),
        (Says(openai_body({"explanation": "", "label": "maybe"})), "'maybe', which is none of"),
        (Says("<html>", headers={"content-type": "text/html"}), "gateway gave no verdict"),
        (Says(openai_body({"explanation": "five", "label": "no"})), "two and two are not four"),
    ],
)
def test_what_came_back_instead_is_said(run: CommandLine, says: Says, told: str) -> None:
    run.environ["GATEWAY_KEY"] = KEY
    with Api(says) as api:
        gateway(run, api)
        ran = run("ai-integrations", "test", "gateway")
        assert len(api.requests) == 1  # nothing is asked again behind the user's back
    assert ran.code == 1 and told in ran.err
    assert KEY not in ran.out + ran.err


def test_a_missing_key_and_an_unknown_name_are_errors(run: CommandLine) -> None:
    with Api(Says(openai_body(YES))) as api:
        gateway(run, api)
        missing = run("ai-integrations", "test", "gateway")
        assert missing.code == 1 and "GATEWAY_KEY is not set" in missing.err
        assert api.requests == []
    for words in ("show", "test"):
        unknown = run("ai-integrations", words, "other")
        assert unknown.code == 1
        assert "no AI integration 'other'" in unknown.err and "'gateway'" in unknown.err


def test_an_agent_is_asked_with_its_own_account(run: CommandLine, tmp_path: Path) -> None:
    says = (
        "import json\n"
        f"print(json.dumps({{'type': 'result', 'is_error': False, 'structured_output': {YES!r},"
        " 'total_cost_usd': 0.5}))"
    )
    name(run, f"  mine:\n    provider: claude-code\n    command: {agent(tmp_path, says)}\n")
    ran = run("ai-integrations", "test", "mine")
    assert ran.code == 0, ran.err
    assert "is signed in to" in ran.err and "what it costs is not known" in ran.err
    assert "yes" in ran.out and "$0.50" in ran.out
