"""Looking into the store from outside, as another process does."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

ENDED = """
SELECT count(*) FROM turns JOIN sessions USING (session_key)
WHERE session_id = ? AND final = 1
"""


def open_store(path: Path, deadline: float) -> sqlite3.Connection:
    """The store, read only, as soon as it is there with its tables.

    Raises RuntimeError when that is not before `deadline` (monotonic seconds).
    """
    while time.monotonic() < deadline:
        try:
            store = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
            store.execute(ENDED, ("",)).fetchone()
        except sqlite3.OperationalError:
            time.sleep(0.01)
        else:
            return store
    raise RuntimeError(f"no store appeared at {path}")


def ended_turns(store: sqlite3.Connection, session_id: str) -> int:
    """How many turns of the session are final."""
    row: tuple[int] = store.execute(ENDED, (session_id,)).fetchone()
    return row[0]
