"""Extras: what is missing says the line that installs it, in every kind of installation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing import extras

try:
    import tomllib
except ImportError:  # Python 3.9 and 3.10
    tomllib = None  # type: ignore[assignment]

PYTHON_FOLDER = Path(__file__).resolve().parents[1] / "python"


@pytest.mark.parametrize("module", ["json", "sys", "importlib.machinery", "click", "rich.table"])
def test_what_can_be_imported_is_needed_no_more(module: str) -> None:
    extras.need("plot", module)


@pytest.mark.parametrize("module", ["no_such_module", "json.no_such_module", "sys.no", "no.such"])
def test_what_is_missing_says_the_line_to_type(module: str) -> None:
    with pytest.raises(extras.ExtraMissing) as raised:
        extras.need("plot", module)
    assert str(raised.value) == "this needs the extra 'plot'; install it: make setup"


def test_asking_imports_nothing() -> None:
    code = (
        "import sys; from harness_tracing.extras import need; need('x', 'xml.dom.minidom');"
        "print([name for name in sys.modules if name.startswith('xml')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_every_kind_of_installation_has_its_line() -> None:
    kinds: tuple[extras.Kind, ...] = ("built", "checkout", "pip", "pipx", "uv tool")
    lines = [extras.how("plot", kind, "/opt/my python/bin/python") for kind in kinds]
    assert lines == [
        "harness extra install plot",
        "make setup",
        "\"/opt/my python/bin/python\" -m pip install 'coding-harness-tracing[plot]'",
        "pipx install --force 'coding-harness-tracing[plot]'",
        "uv tool install --force 'coding-harness-tracing[plot]'",
    ]


def test_a_python_too_old_says_which_is_needed() -> None:
    assert extras.too_old("plot", (3, 9)) is None
    said = extras.too_old("plot", (3, 8, 20))
    assert said is not None and "needs Python 3.9 or newer, and this is 3.8" in said


@pytest.mark.skipif(tomllib is None, reason="reads pyproject.toml")
def test_the_extras_are_those_of_the_distribution_and_each_has_its_lock() -> None:
    project = tomllib.loads((PYTHON_FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    assert sorted(extras.EXTRAS) == sorted(project["optional-dependencies"])
    assert project["name"] == extras.DISTRIBUTION
    for name in extras.EXTRAS:
        assert (PYTHON_FOLDER / f"requirements-{name}.lock").is_file()
