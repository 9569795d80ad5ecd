"""The SQLite file itself: opening it, its schema and migrations, and what its errors mean."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from harness_tracing.errors import NoStoreError, StoreError, StoreNewerError
from harness_tracing.store.filesystem import network_type
from harness_tracing.store.migrations import MIGRATIONS, Migration

SCHEMA_MAJOR = 1
SCHEMA_MINOR = 3
APPLICATION_ID = 0x41485431  # "AHT1": tells our file from any other SQLite database
BUSY_TIMEOUT_MS = 30_000
"""Who waits for others tries by chance: on a loaded machine the last one waits long."""
NETWORK_BUSY_TIMEOUT_MS = 60_000
"""Without a write-ahead log every commit locks readers out and takes several round trips."""
SCHEMA_FILE = Path(__file__).with_name("schema.sql")
_PAGE_SIZE = 16384
_WAL_PAGES_BEFORE_CHECKPOINT = 512
_WAL_SIZE_LIMIT_BYTES = 16 * 1024 * 1024
_ALONE_TIMEOUT_S = 30
_PREPARING = threading.Lock()
_PLAIN_PATH = re.compile(r"[\w/.,@+ -]*", re.ASCII)
_ALMOST_NOTHING_FREE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Database:
    """An open store file, and what its user should know about it."""

    connection: sqlite3.Connection
    warnings: tuple[str, ...]


def open_database(path: Path, *, readonly: bool, network: Optional[str] = None) -> Database:
    """Open the store at `path`, made or migrated where needed.

    `network` is the type of the network file system it lies on, found out when None.
    Raises StoreNewerError when a newer major version wrote it, StoreError when it cannot be
    used; a file that is not ours is never changed.
    """
    with explained(path):
        if readonly:
            return _open_readonly(path)
        _prepare_file(path)
        network = network or network_type(path)
        connection = _connect(path, "rw", NETWORK_BUSY_TIMEOUT_MS if network else BUSY_TIMEOUT_MS)
        try:
            warnings = _set_up(connection, path, network)
        except BaseException:
            connection.close()
            raise
        return Database(connection, warnings)


def _open_readonly(path: Path) -> Database:
    if not path.is_file():
        raise NoStoreError(
            f"there is no store at {path} yet; it comes with the first traced session"
        )
    frozen = _is_frozen(path)
    # On a disk mounted read-only SQLite cannot make the -shm file it reads a log with.
    connection = _connect(path, "ro&immutable=1" if frozen else "ro")
    try:
        if _version(connection, path) == 0:
            raise NoStoreError(f"the store at {path} is still empty; try again in a moment")
    except BaseException:
        connection.close()
        raise
    if frozen and path.with_name(path.name + "-wal").exists():
        return Database(connection, (f"{path} is mounted read-only: its last writes are not seen",))
    return Database(connection, ())


def _is_frozen(path: Path) -> bool:
    """Whether its disk is mounted read-only."""
    return os.name == "posix" and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _prepare_file(path: Path) -> None:
    """Make the file before SQLite does, so that nobody else may ever read it.

    SQLite gives its -wal and -shm files the mode of the main file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Where it is there already it must not be opened: closing any descriptor of a file drops
    # all locks of the process on it, those of other threads' connections as well.
    with _PREPARING:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            if _is_frozen(path):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS)) from None
            if os.name == "posix" and path.stat().st_mode & 0o077:
                path.chmod(0o600)


def _connect(path: Path, mode: str, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{_uri(path.absolute())}?mode={mode}",
        uri=True,
        timeout=busy_timeout_ms / 1000,
        isolation_level=None,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # Before a statement that a trigger may follow SQLite notes what its pages held. In a file that
    # was 30 times what is stored, and sessions' words are not to lie in /var/tmp.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _uri(path: Path) -> str:
    text = str(path)
    if os.name == "posix" and _PLAIN_PATH.fullmatch(text):
        return f"file://{text}"
    return path.as_uri()  # which loads more than a list of sessions needs


def _set_up(connection: sqlite3.Connection, path: Path, network: Optional[str]) -> tuple[str, ...]:
    if _version(connection, path) == 0:
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    journal = "DELETE" if network else "WAL"
    used = _set_journal_mode(connection, journal)
    connection.execute(f"PRAGMA synchronous = {'FULL' if network else 'NORMAL'}")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES_BEFORE_CHECKPOINT}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_SIZE_LIMIT_BYTES}")
    create_schema(connection, path)
    upgrade(connection, MIGRATIONS)
    if network:
        return (
            f"the store {path} lies on a network file system ({network}): it is slower there and "
            "may be damaged when two machines write at once; set ARIZE_HARNESS_HOME to a folder "
            "on a local disk",
        )
    if used != journal.lower():
        return (f"the store {path} has no write-ahead log here (journal_mode={used}): slower",)
    return ()


def _set_journal_mode(connection: sqlite3.Connection, journal: str) -> str:
    """Set the mode and say which one is in use now.

    Changing it needs the file alone, and SQLite does not wait for that by itself.
    """
    deadline = time.monotonic() + _ALONE_TIMEOUT_S
    while True:
        try:
            return str(connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version in the file, 0 when it is new; refuses what is not ours or newer."""
    # One statement, so that all three are of one moment: another process may be creating it.
    version, application, tables = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if application != APPLICATION_ID:
        if tables or version or application:
            raise StoreError(
                f"{path} is an SQLite database of something else; it was left alone. "
                "Move it away, or set ARIZE_HARNESS_HOME to another folder"
            )
        return 0
    if version // 1000 > SCHEMA_MAJOR:
        raise StoreNewerError(
            f"{path} was written by a newer version (schema {version // 1000}.{version % 1000}, "
            f"this one knows {SCHEMA_MAJOR}); run `harness bootstrap` to use the newer version"
        )
    return int(version)


def create_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables in a new file; with many processes at once exactly one does it."""
    if _version(connection, path):
        return
    with transaction(connection):
        if _version(connection, path):
            return
        for statement in statements(SCHEMA_FILE.read_text(encoding="utf-8")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _record(connection, SCHEMA_MINOR, "created")


def upgrade(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
    """Bring an older store forward: each migration is committed together with its record."""
    for migration in migrations:
        if _is_applied(connection, migration):
            continue
        with transaction(connection):
            if _is_applied(connection, migration):
                continue
            for statement in statements(migration.sql):
                connection.execute(statement)
            _record(connection, migration.minor, migration.name)


def _is_applied(connection: sqlite3.Connection, migration: Migration) -> bool:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version >= SCHEMA_MAJOR * 1000 + migration.minor


def _record(connection: sqlite3.Connection, minor: int, name: str) -> None:
    version = SCHEMA_MAJOR * 1000 + minor
    connection.execute(
        "INSERT INTO migrations (version, name, applied_at_ns) VALUES (?, ?, ?)",
        (version, name, time.time_ns()),
    )
    connection.execute(f"PRAGMA user_version = {version}")


def statements(sql: str) -> Iterator[str]:
    """The statements of a script one by one (`executescript` would commit in between)."""
    pending = ""
    for piece in sql.split(";")[:-1]:
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: everything or nothing. It waits for other writers."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that brought us here says more
                connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Several queries that see the same state, whatever other processes write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def has(connection: sqlite3.Connection, rows: str) -> bool:
    """Whether there is any row of `rows`: a table, and a condition on it."""
    found = connection.execute(f"SELECT EXISTS (SELECT 1 FROM {rows})")
    return bool(found.fetchone()[0])


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the store has that table: one that is only read may be of an older version."""
    return has(connection, f"sqlite_master WHERE type = 'table' AND name = '{name}'")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say about the file into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_explanation(path, str(error))) from error
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be used ({error.strerror or error}); "
            "make the folder writable, or set ARIZE_HARNESS_HOME to another one"
        ) from error


def _explanation(path: Path, message: str) -> str:
    if "malformed" in message or "not a database" in message:
        return (
            f"{path} is damaged or not an SQLite store ({message}); it was left as it is. Move it "
            f"away (mv {path} {path}.damaged) and a new one is made; `sqlite3 {path}.damaged "
            ".recover` may bring sessions back"
        )
    if "is full" in message or ("disk I/O" in message and _disk_is_full(path)):
        return (
            f"the disk that holds {path} is full; free some space. What was stored is intact, "
            "and what was captured since is stored when there is space again"
        )
    if "locked" in message:
        return f"{path} was busy with other processes for too long ({message}); try again"
    if "readonly" in message or "unable to open" in message:
        full = " (the disk is full)" if _disk_is_full(path) else ""
        return (
            f"{path} cannot be written{full} ({message}); give this user write permission on the "
            "file and its folder, or set ARIZE_HARNESS_HOME to another folder"
        )
    return f"the store {path} failed: {message}"


def _disk_is_full(path: Path) -> bool:
    import shutil

    try:
        return shutil.disk_usage(path.parent).free < _ALMOST_NOTHING_FREE_BYTES
    except OSError:
        return False
