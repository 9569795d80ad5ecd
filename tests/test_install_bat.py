"""install.bat under Wine's cmd, where that is here, with a stand-in for Python; else its form.

Wine's cmd is not Windows: docs/windows.md says what that leaves open.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import golden

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "install.bat"
WINE = shutil.which("wine")
# Answers where it lies, and installs a command that notes what it is called with.
PYTHON = r"""@echo off
>>"%CALLS%" echo python %*
echo %* | find "version_info" >nul
if not errorlevel 1 goto where
mkdir "%MADE%\bin" 2>nul
>"%MADE%\bin\harness.cmd" echo @^>^>"%CALLS%" echo harness %%*
exit /b 0
:where
echo %~f0
"""
STUB = "@echo Python was not found; run without arguments to install from the Store.\n@exit /b 9\n"
needs_wine = pytest.mark.skipif(WINE is None, reason="Wine's cmd is not here")


@dataclass(frozen=True)
class Windows:
    """A machine with a checkout and a home whose names have spaces in them."""

    folder: Path
    prefix: Path

    @property
    def home(self) -> Path:
        return self.folder / "us er" / "home"

    @property
    def checkout(self) -> Path:
        return self.folder / "check out"

    def tool(self, name: str, text: str) -> None:
        path = self.folder / "tools" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.replace("\n", "\r\n").encode())

    def run(self, *words: str, script: str = "install.bat", **more: str) -> str:
        """Run install.bat; what it printed, its exit code, and what was called."""
        calls = self.folder / "calls"
        env = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEPATH": dos(self.folder / "tools"),
            "CALLS": dos(calls),
            "MADE": dos(self.home),
            "ARIZE_HARNESS_HOME": dos(self.home),
            **more,
        }
        done = subprocess.run(
            [str(WINE), "cmd", "/c", script, *words],
            cwd=self.checkout,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        called = calls.read_text() if calls.exists() else ""
        calls.unlink(missing_ok=True)
        shown = f"> install.bat {' '.join(words)}\n{done.stdout}{done.stderr}{called}"
        lines = [line.rstrip() for line in shown.splitlines() if "fixme:" not in line]
        text = "\n".join([*lines, f"exit code {done.returncode}"]) + "\n"
        return text.replace(dos(self.folder), "C:")


def dos(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Wine of these tests' own."""
    folder = tmp_path_factory.mktemp("wine")
    env = {"PATH": os.defpath, "HOME": str(folder), "WINEPREFIX": str(folder / "prefix")}
    quiet = {**env, "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    subprocess.run([str(WINE), "cmd", "/c", "exit"], env=quiet, capture_output=True, timeout=120)
    yield folder / "prefix"
    subprocess.run(["wineserver", "-k"], env=quiet, capture_output=True, check=False)


@pytest.fixture
def windows(tmp_path: Path, prefix: Path) -> Windows:
    made = Windows(tmp_path, prefix)
    package = made.checkout / "python" / "src" / "harness_tracing"
    package.mkdir(parents=True)
    (package / "bootstrap.py").write_text("")
    shutil.copy(SCRIPT, made.checkout)
    made.tool("py.cmd", STUB)
    made.tool("python.cmd", PYTHON)
    return made


@pytest.mark.e2e
@needs_wine
def test_it_builds_registers_and_sets_up_and_takes_away_again(windows: Windows) -> None:
    parts = [windows.run("claude", "codex", "--yes", "--backend", "phoenix", "--with-skills")]
    (windows.home / "registrations" / "codex").mkdir(parents=True)
    parts.append(windows.run("update"))
    parts.append(windows.run("uninstall", "codex"))
    parts.append(windows.run("uninstall", "--yes", "--delete-store"))
    assert sorted(path.name for path in windows.home.iterdir()) == ["registrations"]
    golden.check("install/windows", "\n".join(parts))


@pytest.mark.e2e
@needs_wine
def test_what_it_says_when_it_cannot(windows: Windows) -> None:
    parts = [windows.run(), windows.run("claude", "--fast"), windows.run("claude", "--branch")]
    parts.append(windows.run("uninstall"))
    windows.tool("python.cmd", STUB)
    parts.append(windows.run("claude"))
    windows.tool("python.cmd", PYTHON)
    shutil.rmtree(windows.checkout / "python")
    parts.append(windows.run("claude", HARNESS_REPOSITORY="X:\\nowhere"))
    assert not (windows.home / "bin").exists()
    golden.check("install/windows-refusals", "\n".join(parts))


def test_its_form_is_what_cmd_needs() -> None:
    content = SCRIPT.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n"), "labels need both"
    text = content.decode("ascii")
    jumps = set(re.findall(r"(?:goto|call) :?(\w+)", text, re.IGNORECASE)) - {"python", "0"}
    labels = set(re.findall(r"^:(\w+)", text, re.MULTILINE))
    assert jumps <= labels and len(labels) == len(re.findall(r"^:(\w+)", text, re.MULTILINE))
    assert "enabledelayedexpansion" not in text.lower(), "a path may hold an exclamation mark"
    assert "mklink" not in text.lower()


def test_both_installers_have_the_same_options() -> None:
    taken = {
        name: set(re.findall(r"--[a-z]+(?:-[a-z]+)*", (ROOT / name).read_text()))
        for name in ("install.sh", "install.bat")
    }
    ours = {"--yes", "--backend", "--with-skills", "--branch", "--keep-store", "--delete-store"}
    ours |= {"--all", "--help", "--wait"}
    assert all(ours <= options for options in taken.values())
