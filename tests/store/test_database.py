"""Opening the file: made once, migrated once, never overwritten, and clear about trouble."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing.errors import StoreError, StoreNewerError
from harness_tracing.store import Store, database
from tests.store import samples
from tests.store.samples import AGENT, change, store_path, stored, turn

RELEASED_SCHEMAS = Path(__file__).parent / "schemas"


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_nobody_else_can_read_the_store(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with stored(tmp_path, change(turn())):
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

        assert modes == dict.fromkeys(
            ["store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm"], 0o600
        )
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_new_store_has_the_measured_settings(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with stored(tmp_path) as store:
        assert (store.warnings, store.stats().journal_mode) == ((), "wal")
    assert (pragma(path, "page_size"), pragma(path, "auto_vacuum")) == (16384, 2)


def test_on_a_network_file_system_there_is_no_write_ahead_log_but_a_warning(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    stored(tmp_path, change(turn())).close()
    with Store.open(path, network="nfs4") as store:
        store.write(change(turn(turn_id="p-2", number=2)))

        assert store.stats().journal_mode == "delete"
        assert "nfs4" in store.warnings[0] and "ARIZE_HARNESS_HOME" in store.warnings[0]
    assert [each.name for each in path.parent.iterdir()] == ["store.sqlite3"]


@pytest.mark.parametrize(
    "content",
    [b"not a database at all, but some text", b"SQLite format 3\x00" + b"\x07" * 4000, b"\x00" * 9],
)
def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = store_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(content)
    for readonly in (False, True):
        with pytest.raises(StoreError, match="damaged") as caught:
            Store.open(path, readonly=readonly)
        assert str(path) in str(caught.value) and "mv " in str(caught.value)
    assert path.read_bytes() == content


def test_a_truncated_store_is_left_as_it_is(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    many = tuple(samples.tool(f"t{n}", n, output=os.urandom(500).hex()) for n in range(300))
    stored(tmp_path, change(turn(steps=many))).close()
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)

    with pytest.raises(StoreError, match="damaged"):
        Store.open(path)
    assert path.read_bytes() == half


def test_a_database_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="something else"):
        Store.open(path)
    assert path.read_bytes() == before


def test_a_newer_major_version_is_refused_and_a_newer_minor_one_used(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    stored(tmp_path, change(turn())).close()
    set_version(path, 1007)
    with Store.open(path) as store:
        store.write(change(turn(turn_id="p-2", number=2)))
        assert store.stats().schema == "1.7"
    set_version(path, 2000)
    for readonly in (False, True):
        with pytest.raises(StoreNewerError, match=r"schema 2\.0"):
            Store.open(path, readonly=readonly)


def set_version(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def test_reading_only_changes_nothing_and_needs_a_store(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with pytest.raises(StoreError, match="no store"):
        Store.open(path, readonly=True)
    assert not path.parent.exists()

    stored(tmp_path, change(turn())).close()
    with Store.open(path, readonly=True) as store:
        assert store.turns(AGENT, "s-1") == [turn()]
        with pytest.raises(StoreError, match="cannot be written"):
            store.write(change(turn(turn_id="p-2")))


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="ARIZE_HARNESS_HOME"):
        Store.open(store_path(tmp_path))


def test_a_store_whose_making_was_cut_off_is_made_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()

    with Store.open(path) as store:
        store.write(change(turn()))
        assert store.stats().turns == 1


def test_every_released_schema_migrates_to_the_present_one(tmp_path: Path) -> None:
    present = schema_after(tmp_path / "present.sqlite3", database.SCHEMA_FILE, ())
    for released in sorted(RELEASED_SCHEMAS.glob("*.sql")):
        minor = int(released.stem.split(".")[1])
        pending = tuple(each for each in database.MIGRATIONS if each.minor > minor)
        migrated = schema_after(tmp_path / f"{released.stem}.sqlite3", released, pending)
        assert migrated == present, f"{released.name} and MIGRATIONS do not give schema.sql"
    newest = max(int(each.stem.split(".")[1]) for each in RELEASED_SCHEMAS.glob("*.sql"))
    assert newest == database.SCHEMA_MINOR


def schema_after(
    path: Path, schema: Path, migrations: tuple[database.Migration, ...]
) -> dict[str, object]:
    """Tables with their columns, and indexes, by name."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in database.statements(schema.read_text(encoding="utf-8")):
        connection.execute(statement)
    database.upgrade(connection, migrations)
    names = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    shape: dict[str, object] = {}
    for kind, name, sql in names:
        columns = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
        shape[name] = columns if kind == "table" else " ".join((sql or "").split())
    connection.close()
    return shape


MIGRATE = """
import sys
from pathlib import Path
from harness_tracing.store import database
migrations = tuple(
    database.Migration(
        n, f"step {n}", f"CREATE TABLE added_{n} (n); -- once;\\nINSERT INTO added_{n} VALUES (1);"
    )
    for n in range(database.SCHEMA_MINOR + 1, database.SCHEMA_MINOR + 4)
)
opened = database.open_database(Path(sys.argv[1]), readonly=False)
sys.stdin.read()
database.upgrade(opened.connection, migrations)
"""


def test_a_migration_is_applied_once_however_many_open_the_store(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    processes = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, str(path)], stdin=subprocess.PIPE)
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 8

    newest = database.SCHEMA_MINOR
    connection = sqlite3.connect(path)
    assert connection.execute(
        "SELECT version, name FROM migrations ORDER BY version"
    ).fetchall() == [
        (1000 + newest, "created"),
        *((1000 + n, f"step {n}") for n in range(newest + 1, newest + 4)),
    ]
    added = f"added_{newest + 3}"
    assert connection.execute(f"SELECT count(*) FROM {added}").fetchone() == (1,)
    connection.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    stored(tmp_path, change(turn())).close()
    opened = database.open_database(path, readonly=False)
    broken = database.Migration(
        database.SCHEMA_MINOR + 1,
        "broken",
        "CREATE TABLE extra (n);\nINSERT INTO nowhere VALUES (1);",
    )
    with pytest.raises(sqlite3.OperationalError):
        database.upgrade(opened.connection, (broken,))
    opened.connection.close()

    assert pragma(path, "user_version") == 1000 + database.SCHEMA_MINOR
    with Store.open(path) as store:
        assert store.turns(AGENT, "s-1") == [turn()]
