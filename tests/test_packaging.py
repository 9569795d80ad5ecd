"""The distribution: what is in the wheel, that it runs, and what it says of itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import harness_tracing
from harness_tracing import bootstrap
from tools.release_notes import notes

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "src" / "harness_tracing"
LOCKS = tuple(f"requirements{each}.lock" for each in ("", "-judge", "-phoenix", "-plot"))
FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
REAL_PYTHON = str(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, the wheel made of the sdist as installers do it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT / "python", check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(sdist, folder / "unpacked", **FILTER)
    (source,) = (folder / "unpacked").iterdir()
    subprocess.run([*build, "-t", "wheel"], cwd=source, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it; its dependencies are those of this one."""
    venv = tmp_path_factory.mktemp("user") / "ve nv"
    subprocess.run([REAL_PYTHON, "-I", "-m", "venv", "--without-pip", str(venv)], check=True)
    (wheel,) = dist.glob("*.whl")
    pip = [REAL_PYTHON, "-I", "-m", "pip", "--python", str(venv / "bin" / "python")]
    subprocess.run(
        [*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
    )
    (modules,) = venv.glob("lib/python*/site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("matplotlib", "harness", "coding_harness", "_editable", "__")):
            (modules / path.name).symlink_to(path)
    return venv


def run(venv: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(venv / "bin" / "harness"), *words],
        env={"HOME": str(venv.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_the_whole_package_the_locks_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licenses = [name for name in archive.namelist() if name.endswith("LICENSE")]
        for lock in LOCKS:
            assert archive.read(f"harness_tracing/{lock}") == (ROOT / "python" / lock).read_bytes()
    sources = {
        f"harness_tracing/{path.relative_to(PACKAGE)}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources | {f"harness_tracing/{lock}" for lock in LOCKS}
    assert len(licenses) == 1


def test_the_command_runs_and_registers_its_own_capture(installed: Path) -> None:
    assert run(installed, "--version").stdout == f"harness {harness_tracing.__version__}\n"
    line = run(installed, "hook-command", "claude-code", "Stop").stdout
    (capture,) = installed.glob("lib/*/site-packages/harness_tracing/capture/capture.sh")
    assert str(capture) in line and str(installed / "bin" / "python") in line


def test_what_hooks_run_with_can_be_built_of_it(installed: Path) -> None:
    (package,) = installed.glob("lib/*/site-packages/harness_tracing")
    assert bootstrap._lock_file(package) == package / "requirements.lock"
    assert bootstrap.version_of(package) == harness_tracing.__version__


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("update",), "-m pip install --upgrade coding-harness-tracing"),
        (("extra", "install", "plot"), "-m pip install 'coding-harness-tracing[plot]'"),
    ],
)
def test_what_pip_brought_is_left_to_pip(
    installed: Path, words: tuple[str, ...], line: str
) -> None:
    done = run(installed, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert f'"{installed}/bin/python" {line}' in done.stderr


def test_the_version_stands_in_one_place() -> None:
    stated = re.compile(rf"version.*(?<![\d.]){re.escape(harness_tracing.__version__)}(?![\d.])")
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sh"), ROOT / "python" / "pyproject.toml"]
    found = {path.name for path in files if stated.search(path.read_text(encoding="utf-8"))}
    # capture.sh cannot ask Python; a test of capture's holds it against the package.
    assert found == {"__init__.py", "capture.sh"}


CHANGELOG = """# Changelog

## [Unreleased]

## [1.1.0] - 2030-02-01

### Added

- More.

## [1.0.0] - 2030-01-01

- First.
"""


def test_the_notes_of_a_release_are_its_part_of_the_changelog() -> None:
    assert notes(CHANGELOG, "1.1.0") == "### Added\n\n- More."
    assert notes(CHANGELOG, "1.0.0") == "- First."
    assert notes(CHANGELOG, "Unreleased") is None
    assert notes(CHANGELOG, "2.0.0") is None


def test_the_changelog_can_be_read_so() -> None:
    text = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert "harness" in (
        notes(text, "Unreleased") or notes(text, harness_tracing.__version__) or ""
    )
