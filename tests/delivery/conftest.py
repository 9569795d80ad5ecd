"""Fixtures of the delivery tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.arrivals import Home, end


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A fresh home; no process of ours outlives it."""
    made = Home(tmp_path / "home")
    yield made
    end(made)
