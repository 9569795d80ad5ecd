"""No space, no permission, a store or a configuration we cannot use: events wait, we say why."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness_tracing.store import Store
from harness_tracing.worker.life import live
from harness_tracing.worker.presence import Pace, Presence, Session
from harness_tracing.worker.process import command
from tests.worker.conftest import Undisturbed
from tests.worker.player import (
    AGENT,
    NOBODY,
    Place,
    Recording,
    assert_same,
    capture,
    play,
    recording,
    wait_for,
)

NAME = "tool_cycle"
QUICK = Pace(
    busy_poll_s=0.02,
    turn_poll_s=0.02,
    idle_poll_s=0.02,
    retry_s=0.2,
    longest_retry_s=0.4,
)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A small file system of its own; skips, saying so, where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", ",".join(("mode=0700", *options)), "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: mounting a small disk needs root here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all space there is."""
    filler = folder / ".filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


@contextmanager
def working(place: Place, session_id: str, idle_s: float = 2.0) -> Iterator[threading.Thread]:
    """A worker in a thread, whose waits are short; it has left when the block has ended."""
    pace = replace(QUICK, idle_s=idle_s)
    session = Session(place.home, AGENT, session_id)
    session.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = (session, place.environ(), Presence(session.folder, pace), pace)
    thread = threading.Thread(target=live, args=words, daemon=True)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive(), "the worker did not leave"


def essentials(place: Place) -> list[tuple[str, str, object]]:
    """Of each turn its id, how it ended, and its tokens."""
    return [(turn["turn_id"], turn["status"], turn["usage"]) for turn in place.turns()]


def test_events_that_found_no_space_are_recovered_from_the_transcript(
    place: Place, tmp_path: Path
) -> None:
    whole = Place(tmp_path / "whole")
    capture(whole, NAME)
    assert whole.flush().left == 0
    with mounted(place.home.root, "size=2m"):
        made = Recording.ready(place, recording(NAME))
        fillers: list[Path] = []

        def before(number: int) -> None:
            if number == 2:
                fillers.append(fill(place.home.root))
            if number == len(made.calls) - 1:
                fillers.pop().unlink()
                # What found no space is known never to become whole after some seconds.
                for path in place.event_files():
                    if not path.stat().st_size:
                        os.utime(
                            path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**10)
                        )

        play(made, before=before)

        assert place.flush().left == 0
        assert essentials(place) == essentials(whole)
        assert not place.event_files()
        place.kill_all()


def test_a_store_without_space_is_filled_up_when_there_is_some_again(
    place: Place, undisturbed: Undisturbed
) -> None:
    with mounted(place.home.root, "size=2m"), mounted(place.home.spool, "size=2m"):
        session_id = capture(place, NAME).session_ids[0]
        filler = fill(place.home.root)
        events = len(place.event_files())
        with working(place, session_id):
            time.sleep(1.0)
            assert len(place.event_files()) == events
            result = place.flush(timeout_s=5)
            assert result.left == events
            assert "is full" in result.messages[0]

            filler.unlink()

            assert place.flush().left == 0
        assert_same(place.contents(), undisturbed(NAME))


def test_a_disk_that_fills_up_in_mid_turn_delays_but_loses_nothing(
    place: Place, undisturbed: Undisturbed
) -> None:
    with mounted(place.home.root, "size=2m"), mounted(place.home.spool, "size=2m"):
        made = Recording.ready(place, recording(NAME))
        fillers: list[Path] = []

        def before(number: int) -> None:
            if number == 4:
                wait_for(place.turns, "the turn is begun")
                fillers.append(fill(place.home.root))

        with working(place, made.session_ids[0]):
            play(made, before=before)
            time.sleep(0.5)
            fillers.pop().unlink()
            assert place.flush().left == 0
        assert_same(place.contents(), undisturbed(NAME))


def test_on_a_read_only_disk_hooks_are_silent_and_commands_read(
    place: Place, undisturbed: Undisturbed
) -> None:
    with mounted(place.home.root, "size=4m"):
        capture(place, NAME)
        assert place.flush().left == 0
        capture(place, "simple")
        waiting = len(place.event_files())
        subprocess.run(["mount", "-o", "remount,ro", str(place.home.root)], check=True)

        capture(place, "simple")

        assert len(place.event_files()) == waiting
        listed = place.harness("sessions", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        flushed = place.harness("flush", "--wait", "--timeout", "5")
        assert flushed.returncode == 1
        assert "cannot be written" in flushed.stderr
        assert_same(place.contents(), undisturbed(NAME))


def test_hooks_of_a_user_whose_home_is_not_his_to_write_are_silent() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("NOT TESTED: becoming another user needs root and setpriv")
    home = Path(tempfile.mkdtemp(prefix="read-only-home-"))
    try:
        home.chmod(0o755)
        for event in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
            line = Place(home).line(event, NOBODY)
            words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh"]
            done = subprocess.run(
                [*words, "-c", line],
                input=b'{"session_id": "a-session"}',
                env=Place(home).environ(),
                cwd="/",
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert list(home.iterdir()) == []
    finally:
        shutil.rmtree(home)


def test_a_corrupt_store_is_left_as_it_is_and_everybody_says_so(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = capture(place, NAME)
    place.home.store.write_bytes(b"this is no database, but it may be somebody's " * 99)
    before, events = place.home.store.read_bytes(), place.event_files()
    with working(place, made.session_ids[0]):
        wait_for(lambda: "is damaged or not an SQLite store" in place.log(), "the log says so")
        listed = place.harness("sessions", "list")
        flushed = place.harness("flush", "--wait", "--timeout", "5")

    assert listed.returncode == 1
    assert "damaged" in listed.stderr
    assert "Traceback" not in listed.stderr
    assert flushed.returncode == 1
    assert "damaged" in flushed.stderr
    assert place.home.store.read_bytes() == before
    assert place.event_files() == events
    assert place.log().count("Move it away") == 1, "said once, not at every attempt"

    place.home.store.rename(place.home.root / "damaged")

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(NAME))


def newer(store: Path) -> None:
    """Make a store one of a later major version."""
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 9000")


def test_a_worker_leaves_the_spool_of_a_newer_store_untouched(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = Recording.ready(place, recording(NAME))
    place.home.root.mkdir(parents=True)
    with Store.open(place.home.store) as store:
        version = store.stats().schema
    newer(place.home.store)

    play(made)
    wait_for(lambda: not place.processes(), "the workers left")

    assert {path.name.split(".")[0] for path in place.event_files()} == {
        call.event for call in made.calls
    }
    assert "newer version" in place.log()
    assert place.harness("sessions", "list").returncode == 1
    with sqlite3.connect(place.home.store) as connection:
        major, minor = version.split(".")
        connection.execute(f"PRAGMA user_version = {int(major) * 1000 + int(minor)}")
    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(NAME))


def test_a_broken_configuration_loses_nothing(place: Place, undisturbed: Undisturbed) -> None:
    place.home.root.mkdir(parents=True)
    place.home.config.write_text("content:\n  prompts: [unclosed\n")
    made = capture(place, NAME)
    events = place.event_files()
    with working(place, made.session_ids[0], idle_s=30.0):
        wait_for(lambda: "config.yaml" in place.log(), "the log says so")
        listed = place.harness("sessions", "list")
        assert listed.returncode == 1
        assert "config.yaml" in listed.stderr
        assert place.event_files() == events

        place.home.config.write_text("content:\n  prompts: true\n")

        wait_for(lambda: not place.event_files(), "the worker goes on by itself")
    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(NAME))


def test_a_worker_with_a_broken_configuration_leaves_when_no_event_comes(place: Place) -> None:
    place.home.root.mkdir(parents=True)
    place.home.config.write_text("{")
    made = capture(place, NAME)
    events = place.event_files()

    with working(place, made.session_ids[0]):
        pass

    assert place.event_files() == events


def test_a_worker_that_cannot_start_its_work_exits_with_0(place: Place) -> None:
    """Anything else tells capture that the installation is broken and has to be built again."""
    place.home.root.mkdir(parents=True)
    place.home.store.write_bytes(b"no database" * 999)
    for words in (("--sweep",), ("--agent", "nobody", "--session", "s"), ("--session", "..")):
        done = subprocess.run(
            command(place.home, *words), env=place.environ(), capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
