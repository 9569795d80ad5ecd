"""Which variables Claude Code's settings files set, for the user and for the project."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.agents.claude_code.settings import settings_env


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "project"


def test_user_and_project_are_told_apart(home: Path, project: Path) -> None:
    write(home / ".claude/settings.json", {"env": {"A": "user", "B": "user"}, "model": "x"})
    write(project / ".claude/settings.json", {"env": {"A": "project"}})

    assert settings_env(str(home), str(project)) == ({"A": "user", "B": "user"}, {"A": "project"})


def test_local_settings_of_a_project_come_before_shared_ones(home: Path, project: Path) -> None:
    write(project / ".claude/settings.json", {"env": {"A": "shared", "B": "shared"}})
    write(project / ".claude/settings.local.json", {"env": {"A": "local"}})

    assert settings_env(str(home), str(project))[1] == {"A": "local", "B": "shared"}


def test_the_folder_that_stands_for_dot_claude_may_be_given(home: Path, project: Path) -> None:
    write(home / "settings.json", {"env": {"A": "moved"}})

    assert settings_env(str(home), str(project))[0] == {"A": "moved"}


def test_in_the_home_folder_the_users_file_is_no_project_file(home: Path) -> None:
    write(home / ".claude/settings.json", {"env": {"A": "user"}})

    assert settings_env(str(home), str(home)) == ({"A": "user"}, {})


def test_without_files_or_project_nothing_is_set(home: Path) -> None:
    assert settings_env(str(home), None) == ({}, {})
    assert settings_env("", None) == ({}, {})


def test_without_a_home_no_file_of_the_current_folder_is_taken(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / ".claude/settings.json", {"env": {"A": "project"}})
    monkeypatch.chdir(project)

    assert settings_env("", ".") == ({}, {})


def test_values_become_the_texts_an_environment_holds(home: Path) -> None:
    env = {"A": True, "B": False, "C": 3, "D": 1.5, "E": None, "F": ["x"], "G": {"x": 1}}
    write(home / ".claude/settings.json", {"env": env})

    assert settings_env(str(home), None)[0] == {"A": "true", "B": "false", "C": "3", "D": "1.5"}


@pytest.mark.parametrize(
    "content",
    ["{", "", "[]", '{"env": []}', '{"env": "A=1"}', "null", "[" * 100_000, '{"env": {"A": }'],
)
def test_a_broken_file_counts_as_empty_and_the_others_still_count(
    home: Path, project: Path, content: str
) -> None:
    write(home / ".claude/settings.json", content)
    write(project / ".claude/settings.json", content)
    write(project / ".claude/settings.local.json", {"env": {"A": "local"}})

    assert settings_env(str(home), str(project)) == ({}, {"A": "local"})


def test_a_broken_file_is_named_in_the_log(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(home / ".claude/settings.json", "{")
    with caplog.at_level(logging.WARNING, "harness_tracing"):
        settings_env(str(home), None)

    assert str(home / ".claude" / "settings.json") in caplog.text


def test_files_that_are_no_files_or_no_text_count_as_empty(home: Path, project: Path) -> None:
    (home / ".claude/settings.json").mkdir(parents=True)
    (project / ".claude").mkdir(parents=True)
    (project / ".claude/settings.json").write_bytes(b"\xff\xfe\x00{")

    assert settings_env(str(home), str(project)) == ({}, {})


def test_a_file_with_a_byte_order_mark_is_read(home: Path) -> None:
    write(home / ".claude/settings.json", '\ufeff{"env": {"A": "1"}}')

    assert settings_env(str(home), None)[0] == {"A": "1"}
