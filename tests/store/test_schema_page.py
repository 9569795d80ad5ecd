"""docs/schema.md is what schema.sql says, and nothing in the schema goes without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing.store.database import SCHEMA_FILE
from tools.docs_schema import UndocumentedError, page

REPOSITORY = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "tools/docs_schema.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "missing",
    [
        "-- when it was applied",
        "-- Finding a step by its span.\n",
        "-- The whole of a step.\n",
    ],
)
def test_what_has_no_comment_is_refused(missing: str) -> None:
    schema = SCHEMA_FILE.read_text(encoding="utf-8")
    assert missing in schema
    with pytest.raises(UndocumentedError):
        page(schema.replace(missing, ""))
