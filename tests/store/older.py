"""Stores as released versions left them, for the tests of what a newer one makes of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness_tracing.store import database

SCHEMAS = Path(__file__).parent / "schemas"


def as_released(store: Path, schema: str, to: Path) -> Path:
    """The content of a store in a new file with the schema of that release, such as 1.1."""
    connection = sqlite3.connect(to, isolation_level=None)
    for statement in database.statements((SCHEMAS / f"{schema}.sql").read_text(encoding="utf-8")):
        connection.execute(statement)
    connection.execute("ATTACH ? AS newer", (str(store),))
    for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'"):
        names = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
        listed = ", ".join(names)
        if table != "migrations":
            connection.execute(f"INSERT INTO main.{table} SELECT {listed} FROM newer.{table}")
    major, minor = map(int, schema.split("."))
    connection.execute(f"PRAGMA user_version = {major * 1000 + minor}")
    connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
    connection.execute("DETACH newer")
    connection.close()
    return to
