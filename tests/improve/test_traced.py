"""Where an agent is at work, and where a person is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing import agents
from harness_tracing.improve.traced import ancestors, session_around

PROGRAMS = {"claude", "codex", "cursor-agent"}


@pytest.mark.parametrize(
    "name",
    ["CLAUDECODE", "CODEX_SANDBOX", "CURSOR_AGENT", "HARNESS_UNTRACED", "MY_AGENTS_SESSION"],
)
def test_variables_that_agents_set_show_a_session(name: str) -> None:
    why = session_around({name: "1"}, ["MY_AGENTS_SESSION"], PROGRAMS, [])
    assert why == f"{name} is set"
    assert session_around({name: ""}, ["MY_AGENTS_SESSION"], PROGRAMS, []) is None


def test_every_agent_we_know_has_a_sign() -> None:
    for each in map(agents.get, agents.names()):
        assert each.program or each.session_variable, each.name


def test_a_process_started_by_an_agent_shows_a_session() -> None:
    above = [("bash",), ("node", "claude"), ("sshd",)]
    assert session_around({}, [], PROGRAMS, above) == "it was started by claude"
    assert session_around({}, [], PROGRAMS, [("bash",), ("vim",), ("zsh",)]) is None


@pytest.mark.parametrize("words", [["{folder}/codex"], [sys.executable, "{folder}/codex"]])
def test_the_processes_above_are_found(tmp_path: Path, words: list[str]) -> None:
    """An agent's program that starts a shell that starts us, whatever the environment says."""
    asks = tmp_path / "asks.py"
    asks.write_text(
        "import os\nfrom harness_tracing.improve.traced import ancestors\n"
        "print(['codex' in names for names in ancestors(os.getpid())][:3])\n"
    )
    program = tmp_path / "codex"
    program.write_text(
        f"#!{sys.executable}\nimport subprocess, sys\n"
        f"subprocess.run(['sh', '-c', '{sys.executable} {asks}; true'])\n"
    )
    program.chmod(0o755)
    source = str(Path(__file__).parents[2] / "python" / "src")
    done = subprocess.run(
        [word.format(folder=tmp_path) for word in words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "True" in done.stdout, done


def test_a_process_that_is_not_there_has_nothing_above() -> None:
    assert ancestors(2**22 + 1) == []
