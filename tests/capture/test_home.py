"""Where capture writes to, and the places it must not trust."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capture.hooks import AGENT, PATH, SESSION, Hook, Place, payload

NAMED = {"CLAUDE_CODE_SESSION_ID": SESSION}
ROOT = os.geteuid() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not ROOT or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs a privilege")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("name", ["with space", "quo'te\"s", "new\nline", "$HOME `x` *", "-n"])
def test_any_absolute_home_will_do(hook: Hook, place: Place, name: str) -> None:
    home = place.root / name
    hook.run(payload(), place.environ(ARIZE_HARNESS_HOME=str(home), **NAMED))
    assert place.event(home=home) == payload()
    assert place.everything() == []


@pytest.mark.parametrize("value", ["", "relative", "./x", "~", "~x/y"])
def test_a_home_that_is_not_absolute_is_not_used(hook: Hook, place: Place, value: str) -> None:
    hook.run(payload(), place.environ(ARIZE_HARNESS_HOME=value, **NAMED))
    assert place.event() == payload()


def test_a_home_may_be_named_from_the_users_on(hook: Hook, place: Place) -> None:
    hook.run(payload(), place.environ(ARIZE_HARNESS_HOME="~/my traces", **NAMED))
    assert place.event(home=place.user_home / "my traces") == payload()


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "x"}, {"HOME": "/proc/nowhere"}])
def test_without_a_usable_home_it_stays_silent(hook: Hook, env: dict[str, str]) -> None:
    hook.run(payload(), {"PATH": PATH, **NAMED, **env})


def test_a_home_that_cannot_be_written_stays_as_it_is(hook: Hook, place: Place) -> None:
    (place.user_home / ".arize").write_text("a file in the way")
    hook.run(payload(), place.environ(**NAMED))
    assert place.everything() == [".arize"]


def test_a_full_disk_disturbs_nobody(hook: Hook, place: Place, small_disk: Path) -> None:
    env = place.environ(ARIZE_HARNESS_HOME=str(small_disk / "home"), **NAMED)
    hook.run(payload(), env, event="SessionStart")
    hook.run(payload(text="x" * 300_000), env)
    hook.run(payload(), env, event="SessionEnd")
    events = {p.name.split(".")[0]: p for p in place.events(home=small_disk / "home")}
    assert events["SessionStart"].read_bytes() == payload()
    assert len(events["Stop"].read_bytes()) < 70_000


def test_a_read_only_disk_disturbs_nobody(hook: Hook, place: Place, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    hook.run(payload(), place.environ(HOME=str(small_disk), **NAMED))
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("link", ["spool", f"spool/{AGENT}", f"spool/{AGENT}/{SESSION}"])
def test_a_link_in_the_spool_is_not_followed(hook: Hook, place: Place, link: str) -> None:
    elsewhere = place.root / "elsewhere"
    (elsewhere / AGENT / SESSION).mkdir(parents=True)
    (place.home / link).parent.mkdir(parents=True)
    (place.home / link).symlink_to(elsewhere)
    hook.run(payload(), place.environ(**NAMED))
    assert [p for p in elsewhere.rglob("*") if p.is_file()] == []


@pytest.mark.skipif(not ROOT, reason="giving folders away needs a privilege")
def test_a_named_home_of_somebody_else_is_not_used(hook: Hook, place: Place) -> None:
    home = place.root / "theirs"
    home.mkdir(mode=0o777)
    os.chown(home, 12345, 12345)
    hook.run(payload(), place.environ(ARIZE_HARNESS_HOME=str(home), **NAMED))
    assert list(home.iterdir()) == []


@pytest.mark.skipif(not ROOT, reason="giving folders away needs a privilege")
def test_a_session_folder_of_somebody_else_is_not_used(hook: Hook, place: Place) -> None:
    folder = place.home / "spool" / AGENT / SESSION
    folder.mkdir(parents=True)
    os.chown(folder, 12345, 12345)
    hook.run(payload(), place.environ(**NAMED))
    assert place.events() == []


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
@pytest.mark.parametrize(
    "text",
    [
        '{"env": {"ARIZE_HARNESS_HOME": "/x"}}',
        '{"env":\n {"A\\u0052IZE_HARNESS_HOME":\n "/x"}}',
    ],
)
def test_a_cloned_project_cannot_name_the_home(
    hook: Hook, place: Place, name: str, text: str
) -> None:
    project = place.root / "cloned"
    (project / ".claude").mkdir(parents=True)
    (project / ".claude" / name).write_text(text)
    env = place.environ(
        ARIZE_HARNESS_HOME=str(project / "home"), CLAUDE_PROJECT_DIR=str(project), **NAMED
    )
    hook.run(payload(), env)
    assert place.event() == payload()
    assert not (project / "home").exists()


def test_a_project_with_other_settings_changes_nothing(hook: Hook, place: Place) -> None:
    project = place.root / "project"
    (project / ".claude").mkdir(parents=True)
    (project / ".claude" / "settings.json").write_text('{"env": {"ARIZE_TRACE_ENABLED": "true"}}')
    home = place.root / "named"
    env = place.environ(ARIZE_HARNESS_HOME=str(home), CLAUDE_PROJECT_DIR=str(project), **NAMED)
    hook.run(payload(), env)
    assert place.event(home=home) == payload()
