"""Many writers, killed writers, a full disk."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tracing.errors import StoreError
from harness_tracing.store import Store
from tests.store import samples
from tests.store.samples import AGENT, change, store_path, stored, turn

REPOSITORY = Path(__file__).parents[2]
CHANGES_PER_WRITER = 20
STEPS_PER_TURN = 40

WRITER = """
import sys
from pathlib import Path
from harness_tracing.store import Store
from tests.store.samples import change, tool, turn

path, name, changes, network = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] or None
with Store.open(path, network=network) as store:
    for number in range(1, changes + 1):
        written = turn(name, f"p-{number}", (tool(f"t-{number}"),), number=number)
        store.write(change(written, final=False))
        store.write(change(written, reader_state=b"%d" % number))
"""

ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from harness_tracing.store import Store
from tests.store.samples import change, tool, turn

with Store.open(Path(sys.argv[1])) as store:
    for number in itertools.count(store.stats().turns + 1):
        steps = tuple(tool(f"t-{n}", n, output=str(n) * 2000) for n in range(int(sys.argv[2])))
        written = turn("s-1", f"p-{number}", steps, number=number)
        store.write(change(written, reader_state=b"%d" % number))
        print(number, flush=True)
"""

WRITER_THAT_STOPS_INSIDE = """
import os, sys, time
from pathlib import Path
from harness_tracing.store import Store
from tests.store.samples import change, tool, turn

def stop_inside(connection, settled):
    print("inside", flush=True)
    time.sleep(60)

# More than SQLite keeps in memory, so that a part is in the write-ahead log before the commit.
steps = tuple(tool(f"t-{n}", n, output=os.urandom(100_000).hex()) for n in range(40))
with Store.open(Path(sys.argv[1])) as store:
    store.write(change(turn("s-1", "p-2", steps, number=2), reader_state=b"2"), stop_inside)
"""


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def is_whole(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        problems = connection.execute("PRAGMA integrity_check").fetchall()
        return (
            problems == [("ok",)] and not connection.execute("PRAGMA foreign_key_check").fetchall()
        )
    finally:
        connection.close()


@pytest.mark.parametrize("network", ["", "nfs4"])
def test_twenty_processes_write_at_once_without_an_error(tmp_path: Path, network: str) -> None:
    path = store_path(tmp_path)
    writers = [
        started(WRITER, path, f"s-{number:02}", CHANGES_PER_WRITER, network) for number in range(20)
    ]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0)] * 20

    with Store.open(path) as store:
        rows = store.sessions()
        assert [(row.turns, row.tools, row.open) for row in rows] == [
            (CHANGES_PER_WRITER, CHANGES_PER_WRITER, False)
        ] * 20
        assert store.reader_state(AGENT, "s-07") == b"%d" % CHANGES_PER_WRITER
    assert is_whole(path)


def test_a_writer_killed_inside_its_transaction_leaves_the_store_as_before(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    stored(tmp_path, change(turn(), reader_state=b"1")).close()
    writer = started(WRITER_THAT_STOPS_INSIDE, path)
    assert writer.stdout is not None and writer.stdout.readline() == "inside\n"
    writer.kill()
    writer.communicate()

    with Store.open(path) as store:
        assert store.turns(AGENT, "s-1") == [turn()]
        assert store.reader_state(AGENT, "s-1") == b"1"
        store.write(change(turn(turn_id="p-2", number=2)))
    assert is_whole(path)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_writers_killed_at_any_moment_leave_whole_turns(tmp_path: Path, kills: int) -> None:
    path = store_path(tmp_path)
    moments = random.Random(7)
    acknowledged = 0
    for _ in range(kills):
        writer = started(ENDLESS_WRITER, path, STEPS_PER_TURN)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(moments.uniform(0, 0.1))
        writer.kill()
        acknowledged = max([acknowledged, *map(int, writer.communicate()[0].split())])

        with Store.open(path) as store:
            turns = store.turns(AGENT, "s-1")
            assert len(turns) >= acknowledged
            assert {len(each.steps) for each in turns} == {STEPS_PER_TURN}
            assert store.reader_state(AGENT, "s-1") == b"%d" % len(turns)
        assert is_whole(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB; skips where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"FULL DISK NOT TESTED: no mount command ({error})")
    if mounted.returncode:
        pytest.skip(f"FULL DISK NOT TESTED: mounting a tmpfs failed: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast


def test_a_full_disk_is_named_and_the_store_goes_on_when_there_is_space(small_disk: Path) -> None:
    path = store_path(small_disk)
    big = tuple(samples.tool(f"t-{n}", n, output=os.urandom(20_000).hex()) for n in range(20))
    more = turn(turn_id="p-2", number=2, steps=big)
    with stored(small_disk, change(turn(), reader_state=b"1")) as store:
        ballast = fill(small_disk)
        with pytest.raises(StoreError, match="full") as caught:
            store.write(change(more, reader_state=b"2"))
        assert "free some space" in str(caught.value)
        assert store.turns(AGENT, "s-1") == [turn()]
        assert store.reader_state(AGENT, "s-1") == b"1"

        ballast.unlink()
        store.write(change(more, reader_state=b"2"))
        assert store.turns(AGENT, "s-1") == [turn(), more]
    assert is_whole(path)


def test_opening_on_a_full_disk_says_so(small_disk: Path) -> None:
    stored(small_disk, change(turn())).close()
    ballast = fill(small_disk)
    with pytest.raises(StoreError, match="full"), Store.open(store_path(small_disk)) as store:
        store.write(change(turn(turn_id="p-2", number=2, prompt="x" * 100_000)))

    ballast.unlink()
    with Store.open(store_path(small_disk)) as store:
        assert store.turns(AGENT, "s-1") == [turn()]
    assert is_whole(store_path(small_disk))


def test_making_a_store_on_a_full_disk_says_so_and_works_later(small_disk: Path) -> None:
    ballast = fill(small_disk)
    with pytest.raises(StoreError, match=r"full|No space"):
        Store.open(store_path(small_disk))

    ballast.unlink()
    stored(small_disk, change(turn())).close()
    assert is_whole(store_path(small_disk))


def test_a_store_on_a_disk_mounted_read_only_can_still_be_read(small_disk: Path) -> None:
    stored(small_disk, change(turn())).close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with Store.open(store_path(small_disk), readonly=True) as store:
        assert store.turns(AGENT, "s-1") == [turn()]
    with pytest.raises(StoreError, match="Read-only"):
        Store.open(store_path(small_disk))


SECOND_OPENER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
try:
    print(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0])
except sqlite3.OperationalError as error:
    print(error)
"""


def test_opening_it_again_leaves_the_locks_of_other_threads_alone(tmp_path: Path) -> None:
    """POSIX drops all locks of a process on a file when it closes any descriptor of it."""
    path = store_path(tmp_path)
    with stored(tmp_path, change(turn())) as held:
        Store.open(path).close()
        words = [sys.executable, "-c", SECOND_OPENER, str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)

        assert done.stdout == "database is locked\n"
        assert len(held.turns(AGENT, "s-1")) == 1
