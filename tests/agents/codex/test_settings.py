"""Which variables ``arize-env.sh`` sets, without any shell."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from harness_tracing.agents.codex import AGENT
from harness_tracing.agents.codex.settings import parse, settings_env


def test_plain_assignments_are_read_as_a_shell_would() -> None:
    text = """\
#!/bin/sh
# where spans go
export ARIZE_PROJECT_NAME="my project"   # with a blank
ARIZE_LOG_PROMPTS=false
export PHOENIX_ENDPOINT='http://127.0.0.1:6006' ARIZE_VERBOSE=true;
  export QUOTED="a \\"b\\" #c"
export EMPTY=
"""

    assert parse(text) == {
        "ARIZE_PROJECT_NAME": "my project",
        "ARIZE_LOG_PROMPTS": "false",
        "PHOENIX_ENDPOINT": "http://127.0.0.1:6006",
        "ARIZE_VERBOSE": "true",
        "QUOTED": 'a "b" #c',
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    "line",
    [
        "export KEY=$(cat /etc/passwd)",
        "export KEY=`id`",
        'export KEY="$HOME/key"',
        "source ~/.profile",
        'if [ -n "$X" ]; then export KEY=1; fi',
        "export KEY",
        "export KEY='open",
        "rm -rf /tmp/x",
        "export KEY=1 && rm x",
        "export KEY=1;rm",
        "export KEY=~/x",
        "export KEY=<(id)",
    ],
)
def test_what_needs_a_shell_is_left_out_and_named(
    line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert parse(f"export BEFORE=1\n{line}\nexport AFTER=2\n") == {"BEFORE": "1", "AFTER": "2"}

    assert "line 2" in caplog.text
    assert "passwd" not in caplog.text


def test_a_dollar_between_single_quotes_is_text() -> None:
    assert parse("export KEY='a$b`c;d' # costs $ (a lot)") == {"KEY": "a$b`c;d"}


def test_the_file_lies_in_codex_home_else_in_the_users(tmp_path: Path) -> None:
    for folder, value in ((".codex", "user"), ("other", "moved")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "arize-env.sh").write_text(f"export A={value}\n", encoding="utf-8")
    home = str(tmp_path)

    assert settings_env({"HOME": home}) == {"A": "user"}
    assert settings_env({"HOME": home, "CODEX_HOME": ""}) == {"A": "user"}
    assert settings_env({"HOME": home, "CODEX_HOME": f"{home}/other"}) == {"A": "moved"}
    assert settings_env({"HOME": home, "CODEX_HOME": f"{home}/nowhere"}) == {}
    assert settings_env({"HOME": home, "CODEX_HOME": "~/other"}) == {}
    assert settings_env({}) == {}


def test_a_file_that_is_no_text_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "arize-env.sh").write_bytes(b"\xff\xfe\x00export A=1\n")

    assert settings_env({"CODEX_HOME": str(tmp_path)}) == {}


def test_a_projects_folder_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/arize-env.sh").write_text("export A=1\n", encoding="utf-8")

    assert AGENT.settings_env({"HOME": "/nowhere"}, str(tmp_path)) == ({}, {})
