"""`harness setup` where nobody can be asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness_tracing import config
from tests.backends import OtlpHttpStub, Reply
from tests.cli.conftest import CommandLine

AX = {"ARIZE_API_KEY": "ak-0123456789", "ARIZE_SPACE_ID": "U3Bh"}


def test_without_a_terminal_it_says_so(run: CommandLine) -> None:
    ran = run.process("setup", "codex")
    assert (ran.code, ran.out) == (2, "")
    assert "There is no terminal to ask in" in ran.err and "--yes" in ran.err
    assert not run.home.root.exists()


def test_this_machine_only_is_what_yes_means(run: CommandLine) -> None:
    ran = run("setup", "codex", "--yes", "--json")
    assert (ran.code, ran.json["registered"]) == (0, True)
    assert config.load(run.environ, agent="codex").destinations == ()
    again = run("setup", "codex", "--yes", "--json")
    assert [file["changed"] for file in again.json["files"]] == [False]
    assert again.json["registered"] is False


def test_for_codex_it_ends_with_what_is_left_to_do(run: CommandLine) -> None:
    err = run("setup", "codex", "--yes").err
    assert "/hooks" in err and "harness doctor" in err


def test_what_the_environment_names_is_kept_in_a_file_of_the_owner(run: CommandLine) -> None:
    with OtlpHttpStub() as stub:
        run.environ.update(AX, ARIZE_OTLP_ENDPOINT=stub.base_url, ARIZE_USER_ID="ann")
        run.environ["ARIZE_LOG_TOOL_CONTENT"] = "false"
        ran = run("setup", "claude", "--yes", "--no-register", "--json")
    assert ran.json["check"]["ok"] is True
    assert AX["ARIZE_API_KEY"] not in ran.out + ran.err
    assert run.home.config.stat().st_mode & 0o777 == 0o600

    settings = config.load({"HOME": str(run.folder)}, agent="claude-code")
    (destination,) = settings.destinations
    assert destination.headers["authorization"] == AX["ARIZE_API_KEY"]
    assert (settings.user_id, settings.log_tool_content) == ("ann", False)


def test_what_a_backend_says_is_told_and_does_not_stop_it(run: CommandLine) -> None:
    with OtlpHttpStub([Reply(401)]) as stub:
        run.environ.update(AX, ARIZE_OTLP_ENDPOINT=stub.base_url)
        ran = run("setup", "--yes", "--json")
    assert ran.code == 0
    assert "Problem: ax at" in ran.err and "(401)" in ran.err
    assert ran.json["check"]["ok"] is False


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (["--backend", "ax"], {}, "needs ARIZE_API_KEY and ARIZE_SPACE_ID"),
        (["--backend", "ax"], {"ARIZE_API_KEY": "k"}, "needs ARIZE_SPACE_ID in the"),
        (["--backend", "otlp"], {}, "needs OTEL_EXPORTER_OTLP_ENDPOINT"),
        ([], {**AX, "PHOENIX_ENDPOINT": "http://h:1"}, "names ax and phoenix; say which"),
        (["--to", "agent"], {}, "--to agent needs an agent"),
    ],
)
def test_what_is_missing_is_said(
    run: CommandLine, words: list[str], environ: dict[str, str], said: str
) -> None:
    run.environ.update(environ)
    ran = run("setup", "--yes", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in " ".join(ran.err.split())
    assert not run.home.root.exists()


def test_a_wrong_answer_names_the_variable_it_came_from(run: CommandLine) -> None:
    run.environ["PHOENIX_ENDPOINT"] = "nowhere"
    ran = run("setup", "--yes", "--backend", "phoenix")
    assert ran.code == 1
    assert "may be https://host" in ran.err and "comes from: PHOENIX_ENDPOINT" in ran.err
    assert not run.home.config.exists()


def test_what_is_configured_stays_unless_something_else_is_named(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True)
    text = "destinations:\n  phoenix: {endpoint: 'http://h:1'}\n"
    run.home.config.write_text(text)
    assert run("setup", "--yes", "--no-check").code == 0
    assert run.home.config.read_text() == text
    assert run("setup", "--yes", "--backend", "local").code == 0
    assert config.load({"HOME": str(run.folder)}).destinations == ()


def test_another_tracers_settings_need_consent(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True)
    (run.home.root / "config.json").write_text(
        '{"harnesses": {"codex": {"target": "phoenix", "endpoint": "http://127.0.0.1:9"}}}'
    )
    ran = run("setup", "--yes", "--no-check")
    assert "is left alone" in ran.err
    assert config.load({"HOME": str(run.folder)}).destinations == ()
    assert run("setup", "--yes", "--no-check", "--import").code == 0
    (destination,) = config.load({"HOME": str(run.folder)}).destinations
    assert destination.target.endpoint == "http://127.0.0.1:9/v1/traces"


@pytest.mark.parametrize("command", [["status"], ["hook-command", "codex", "Stop"]])
def test_commands_that_have_to_be_quick_load_nothing_of_it(
    run: CommandLine, command: list[str]
) -> None:
    code = (
        "import sys; from harness_tracing.cli import main\n"
        f"try: main({command!r})\n"
        "except SystemExit: pass\n"
        "slow = {'questionary', 'prompt_toolkit', 'ruamel.yaml', 'rich', 'requests'}\n"
        "print(slow & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=run.environ, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "set()"
