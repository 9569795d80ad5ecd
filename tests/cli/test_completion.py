"""`harness completion`, and what a shell is offered."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.cli.conftest import CommandLine
from tests.observe.examples import SESSION


def _offered(run: CommandLine, *words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    asked = {"COMP_WORDS": " ".join(("harness", *words)), "COMP_CWORD": str(len(words))}
    ran = run.process(_HARNESS_COMPLETE="bash_complete", **asked)
    assert (ran.code, ran.err) == (0, "")
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_names_our_command(run: CommandLine, shell: str) -> None:
    ran = run("completion", shell)
    assert ran.code == 0
    assert "harness" in ran.out and f"_HARNESS_COMPLETE={shell}_complete" in ran.out


def test_another_shell_is_wrong_usage(run: CommandLine) -> None:
    assert run("completion", "tcsh").code == 2


def test_commands_and_options_are_completed(run: CommandLine) -> None:
    assert "sessions" in _offered(run, "sess")
    assert set(_offered(run, "sessions", "s")) == {"show", "summary"}
    assert "--output-dir" in _offered(run, "spans", "export", "--out")


def test_ids_of_sessions_and_names_of_projects_are_completed(traced: CommandLine) -> None:
    assert _offered(traced, "sessions", "show", "47") == [SESSION.session_id]
    assert _offered(traced, "sessions", "show", "zz") == []
    assert _offered(traced, "spans", "export", "ord") == [SESSION.project]


def test_without_a_store_there_is_nothing_to_offer(run: CommandLine) -> None:
    assert _offered(run, "sessions", "show", "4") == []


def test_no_server_is_asked_for_a_key_that_was_pressed(traced: CommandLine) -> None:
    assert _offered(traced, "sessions", "show", "--from", "phoenix", "47") == []


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_bash_completes_a_session(traced: CommandLine) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = traced("completion", "bash").out
    folder = traced.folder / "bin"
    folder.mkdir()
    command = folder / "harness"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness_tracing.cli "$@"\n')
    command.chmod(0o755)
    press = (
        "COMP_WORDS=(harness sessions show 47); COMP_CWORD=3; _harness_completion harness 47;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environ = {**traced.environ, "PATH": f"{folder}:{traced.environ['PATH']}"}
    done = subprocess.run(
        [bash, "--norc", "-c", f"{script}\n{press}"],
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout == f"{SESSION.session_id}\n", done.stderr
