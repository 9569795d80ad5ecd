"""Verdicts by the digest of what was asked: the same question is not paid for twice."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Optional

from harness_tracing.errors import StoreError
from harness_tracing.evaluate.judge.answers import Verdict

_TABLE = (
    "CREATE TABLE IF NOT EXISTS verdicts (digest TEXT PRIMARY KEY, label TEXT NOT NULL,"
    " explanation TEXT) WITHOUT ROWID"
)
_BUSY_S = 10.0


class Cache:
    """A small SQLite file, readable by its user alone. Deleting it costs nothing but money.

    Holds digests and verdicts, never a prompt. Safe for several threads and processes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, digest: str) -> Optional[dict[str, Optional[str]]]:
        """What was answered to this question before, as the answer was; its score may change."""
        found = self._run("SELECT label, explanation FROM verdicts WHERE digest = ?", digest)
        return {"label": found[0], "explanation": found[1]} if found else None

    def put(self, digest: str, verdict: Verdict) -> None:
        """Keep an answer."""
        statement = "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)"
        self._run(statement, digest, verdict.label, verdict.explanation)

    def _run(self, statement: str, *values: Optional[str]) -> Optional[tuple[str, Optional[str]]]:
        try:
            # Made by us first: SQLite would make it with the mode that the umask leaves.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as connection, connection:
                connection.execute(_TABLE)
                row: Optional[tuple[str, Optional[str]]]
                row = connection.execute(statement, values).fetchone()
                return row
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"the judge's cache {self._path} cannot be used: {error}; delete it and go on"
            ) from None
