"""What a session's settings hide stays hidden, and settings of one session never reach another."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Optional

import pytest

from harness_tracing import worker
from harness_tracing.store import Store
from tests.worker.player import AGENT, NOBODY, Place, Recording, capture, play, recording, wait_for

FIRST = "11111111-0b0a-4908-8706-050403020100"
SECOND = "22222222-0b0a-4908-8706-050403020100"
SECRET = "the prompt nobody is to read"


def project(place: Place, name: str, **env: str) -> Path:
    """A project folder whose settings file sets variables."""
    folder = place.user_home / name
    (folder / ".claude").mkdir(parents=True)
    (folder / ".claude" / "settings.json").write_text(json.dumps({"env": env}))
    return folder


def prompt(
    place: Place,
    session: str,
    folder: Path,
    text: str,
    *,
    cwd: Optional[Path] = None,
    start: bool = False,
    **env: str,
) -> None:
    """Fire the hook of a prompt in a project, as its agent would: settings in the environment."""
    settings = folder / ".claude" / "settings.json"
    merged = json.loads(settings.read_text())["env"] if settings.exists() else {}
    payload = {"session_id": session, "prompt_id": "p-" + session, "prompt": text}
    place.fire(
        "UserPromptSubmit",
        json.dumps({**payload, "cwd": str(cwd or folder)}).encode(),
        **({} if start else {"interpreter": NOBODY}),
        CLAUDE_CODE_SESSION_ID=session,
        CLAUDE_PROJECT_DIR=str(folder),
        CLAUDE_PID=str(os.getpid()),
        **{**env, **merged},
    )


def stored(place: Place, session: str) -> Optional[str]:
    """The prompt as stored of a session's only turn."""
    found = place.turns(session)
    return found[0]["prompt"] if found else None


def projects(place: Place) -> dict[str, str]:
    """Which project each session is filed under."""
    with Store.open(place.home.store, readonly=True) as store:
        return {row.session_id: row.project for row in store.sessions()}


def on_disk(place: Place, text: str) -> list[str]:
    """The files of the store that hold a text."""
    with Store.open(place.home.store) as store:
        store.stats()
    files = place.home.root.glob("store.sqlite3*")
    return [path.name for path in files if text.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "env",
    [{"HARNESS_UNTRACED": "1"}, {"ARIZE_TRACE_ENABLED": "false"}],
    ids=lambda env: next(iter(env)),
)
def test_a_session_that_is_not_to_be_traced_leaves_nothing(
    place: Place, env: dict[str, str]
) -> None:
    play(Recording.ready(place, recording("simple")), **env)

    assert not place.home.root.exists()
    assert place.processes() == []


def test_tracing_turned_off_in_the_configuration_leaves_nothing(place: Place) -> None:
    place.home.root.mkdir(parents=True)
    place.home.config.write_text("enabled: false\n")

    play(Recording.ready(place, recording("simple")))

    wait_for(lambda: not place.event_files(), "the events are gone")
    assert place.flush().left == 0
    assert place.turns() == []


def test_tracing_turned_off_in_the_configuration_holds_in_a_sweep(place: Place) -> None:
    capture(place, "simple")
    place.home.config.write_text("enabled: false\n")

    assert place.flush().left == 0

    assert place.event_files() == []
    assert place.turns() == []


def test_an_untraced_command_still_brings_others_sessions_up_to_date(place: Place) -> None:
    """The analyst's own session is untraced; what it looks at is not."""
    capture(place, "simple")

    for env in ({"HARNESS_UNTRACED": "1"}, {"ARIZE_TRACE_ENABLED": "false"}):
        listed = json.loads(place.harness("sessions", "list", "--json", **env).stdout)
        assert [row["turns"] for row in listed] == [1]


@pytest.mark.parametrize("inside", ["", "deep/down"])
def test_what_a_project_hides_is_hidden_from_a_commands_sweep(place: Place, inside: str) -> None:
    folder = project(place, "quiet", ARIZE_LOG_PROMPTS="false")
    prompt(place, FIRST, folder, SECRET)
    (folder / inside).mkdir(parents=True, exist_ok=True)
    prompt(place, FIRST, folder, SECRET, cwd=folder / inside)

    place.harness("sessions", "list")

    assert stored(place, FIRST) is not None
    assert SECRET not in str(stored(place, FIRST))
    assert on_disk(place, SECRET) == []


def test_what_a_project_hides_is_hidden_from_another_sessions_worker(place: Place) -> None:
    quiet = project(place, "quiet", ARIZE_LOG_PROMPTS="false", ARIZE_PROJECT_NAME="quiet")
    loud = project(place, "loud", ARIZE_PROJECT_NAME="loud")
    prompt(place, FIRST, quiet, SECRET)
    for path in place.event_files(FIRST):
        long_ago = time.time() - 60
        os.utime(path, (long_ago, long_ago))

    prompt(place, SECOND, loud, "hello", start=True)
    wait_for(lambda: stored(place, SECOND) and stored(place, FIRST), "both are stored")

    assert stored(place, SECOND) == "hello"
    assert SECRET not in str(stored(place, FIRST))
    assert on_disk(place, SECRET) == []
    assert projects(place) == {FIRST: "quiet", SECOND: "loud"}


def test_settings_of_a_sweeping_session_do_not_reach_the_swept_one(place: Place) -> None:
    quiet = project(place, "quiet", ARIZE_LOG_PROMPTS="false", ARIZE_PROJECT_NAME="quiet")
    loud = project(place, "loud")
    prompt(place, FIRST, loud, "hello")
    own = json.loads((quiet / ".claude" / "settings.json").read_text())["env"]

    worker.sweep(place.home, place.environ(CLAUDE_PROJECT_DIR=str(quiet), **own))

    assert stored(place, FIRST) == "hello"
    assert projects(place) == {FIRST: AGENT}


def test_nor_do_they_from_a_command_run_inside_that_session(place: Place) -> None:
    """An agent's shell tool has the settings of its project, not always the project's name."""
    quiet = project(place, "quiet", ARIZE_LOG_PROMPTS="false", ARIZE_PROJECT_NAME="quiet")
    prompt(place, FIRST, project(place, "loud"), "hello")
    own = json.loads((quiet / ".claude" / "settings.json").read_text())["env"]

    worker.sweep(place.home, place.environ(PWD=str(quiet), **own))

    assert stored(place, FIRST) == "hello"
    assert projects(place) == {FIRST: AGENT}


def test_what_a_sessions_own_environment_hides_is_hidden_when_its_worker_is_gone(
    place: Place,
) -> None:
    """A variable of the shell it was started from is in no file: its worker left a note."""
    folder = project(place, "plain")
    env = {"ARIZE_LOG_PROMPTS": "false", "ARIZE_PROJECT_NAME": "named", "ARIZE_USER_ID": "me"}
    prompt(place, FIRST, folder, "the first one", start=True, **env)
    wait_for(lambda: stored(place, FIRST), "the first prompt is stored")
    place.kill_all()
    payload = {"session_id": FIRST, "prompt_id": "another", "prompt": SECRET, "cwd": str(folder)}
    place.fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        interpreter=NOBODY,
        CLAUDE_CODE_SESSION_ID=FIRST,
        CLAUDE_PID=str(os.getpid()),
    )

    place.harness("sessions", "list")

    assert len(place.turns(FIRST)) == 2
    assert on_disk(place, SECRET) == []
    with Store.open(place.home.store, readonly=True) as store:
        row = store.session(FIRST)
    assert row is not None
    assert (row.project, row.session.user_id) == ("named", "me")


def test_a_switch_set_since_holds_too(place: Place) -> None:
    folder = project(place, "plain")
    prompt(place, FIRST, folder, "the first one", start=True)
    wait_for(lambda: stored(place, FIRST), "the first prompt is stored")
    place.kill_all()
    (folder / ".claude" / "settings.json").write_text(
        json.dumps({"env": {"ARIZE_LOG_PROMPTS": "false"}})
    )
    payload = {"session_id": FIRST, "prompt_id": "another", "prompt": SECRET, "cwd": str(folder)}
    place.fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        interpreter=NOBODY,
        CLAUDE_CODE_SESSION_ID=FIRST,
        CLAUDE_PID=str(os.getpid()),
    )

    place.harness("sessions", "list")

    assert len(place.turns(FIRST)) == 2
    assert on_disk(place, SECRET) == []


def test_a_sweep_from_the_sessions_own_environment_knows_it(place: Place) -> None:
    """As the sweep after a bootstrap, which has the environment of the first session's hook."""
    prompt(place, FIRST, project(place, "plain"), SECRET)
    env = {"CLAUDE_CODE_SESSION_ID": FIRST, "ARIZE_LOG_PROMPTS": "false"}

    worker.sweep(place.home, place.environ(ARIZE_PROJECT_NAME="named", **env))

    assert on_disk(place, SECRET) == []
    assert projects(place) == {FIRST: "named"}
