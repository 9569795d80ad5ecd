"""Fixtures of the capture tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.capture.hooks import AVAILABLE, Hook, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh home folder."""
    return Place(tmp_path)


@pytest.fixture(params=sorted(AVAILABLE), ids=lambda path: path.split("/")[-1])
def shell(request: pytest.FixtureRequest) -> Hook:
    """capture.sh under each shell of this machine."""
    return Hook(request.param)


@pytest.fixture(params=[*sorted(AVAILABLE), "capture.py"], ids=lambda path: path.split("/")[-1])
def hook(request: pytest.FixtureRequest) -> Hook:
    """Every way to capture."""
    return Hook(request.param)
