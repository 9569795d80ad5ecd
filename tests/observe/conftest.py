"""A real store with the example session in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tracing.store import Store
from tests.observe import examples


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.sqlite3") as opened:
        examples.write(opened)
        yield opened
