"""The log of an agent's workers: where it is, what ARIZE_VERBOSE adds to it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.worker.player import NOBODY, Place

SESSION = "11111111-0b0a-4908-8706-050403020100"
SAID = "the prompt nobody is to read in a log"


def prompt(place: Place) -> None:
    payload = {"session_id": SESSION, "prompt_id": "p", "prompt": SAID, "cwd": "/"}
    place.fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        interpreter=NOBODY,
        CLAUDE_CODE_SESSION_ID=SESSION,
        CLAUDE_PID=str(os.getpid()),
    )
    assert place.flush().left == 0


def test_verbose_names_each_hook_as_it_is_read(place: Place) -> None:
    place.env["ARIZE_VERBOSE"] = "true"
    prompt(place)
    path = place.home.logs / "claude-code.log"
    assert f"session {SESSION}: UserPromptSubmit" in path.read_text()
    assert SAID not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("verbose", ["", "false"])
def test_without_it_a_session_that_goes_well_leaves_no_line(place: Place, verbose: str) -> None:
    place.env["ARIZE_VERBOSE"] = verbose
    prompt(place)
    assert place.log() == ""


def test_the_variable_says_where_it_goes(place: Place, tmp_path: Path) -> None:
    own = tmp_path / "own" / "tracer.log"
    place.env.update(ARIZE_VERBOSE="1", ARIZE_LOG_FILE=str(own))
    prompt(place)
    assert "UserPromptSubmit" in own.read_text() and place.log() == ""
