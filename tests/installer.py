"""install.sh with a small package in place of ours: a checkout, tools on a PATH, what was called.

The real bootstrap builds the environment; uv's part in that is played by a script, for speed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import harness_tracing
from harness_tracing.paths import Home

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(harness_tracing.__file__).resolve().parent
REAL_PYTHON = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
NEEDED = "errors.py bootstrap.py environments.py interpreters.py locks.py paths.py capture".split()
TOOLS = (
    "basename bash cat cp curl date dirname find git grep gzip head mkdir mv rm rmdir sh tar"
    " touch uname"
).split()
CLI = """
import os, sys
from pathlib import Path
def main():
    words = sys.argv[1:]
    if words == ["--version"]:
        return 0
    home = Path(os.environ["HOME"]) / ".arize" / "harness"
    with open(os.environ["HOME"] + "/calls", "a") as calls:
        calls.write(" ".join(words) + (" at a terminal" if sys.stdin.isatty() else "") + "\\n")
    if words[0] == "install":
        (home / "registrations" / words[1]).mkdir(parents=True, exist_ok=True)
    return 1 if words[:2] == ["install", "nobody"] else 0
"""
WORKER = "import sys\n"
UV = """#!/bin/sh
# uv for this: a virtual environment, and nothing to install into it.
case $1 in
venv) exec "$5" -I -m venv --without-pip "$6" ;;
pip) exit 0 ;;
*) exit 1 ;;
esac
"""


@dataclass
class Machine:
    """A user's machine with an empty home, some tools, and a checkout of a small package."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def user_home(self) -> Path:
        return self.folder / "home"

    @property
    def home(self) -> Home:
        return Home(self.user_home / ".arize" / "harness")

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def script(self) -> Path:
        return self.checkout / "install.sh"

    @property
    def package(self) -> Path:
        return self.checkout / "python" / "src" / "harness_tracing"

    @property
    def tools(self) -> Path:
        return self.folder / "tools"

    @classmethod
    def made(cls, folder: Path) -> Machine:
        machine = cls(folder)
        machine.user_home.mkdir()
        machine.package.mkdir(parents=True)
        shutil.copy(ROOT / "install.sh", machine.script)
        for name in NEEDED:
            copy = shutil.copytree if (PACKAGE / name).is_dir() else shutil.copy
            copy(PACKAGE / name, machine.package / name)
        machine.set_version("1.0")
        (machine.package / "cli.py").write_text(CLI)
        (machine.package / "worker.py").write_text(WORKER)
        (machine.checkout / "python" / "requirements.lock").write_text("")
        machine.tools.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found, name
            (machine.tools / name).symlink_to(found)
        machine.answer("python3", f'exec {REAL_PYTHON} "$@"')
        (machine.tools / "uv").write_text(UV)
        (machine.tools / "uv").chmod(0o755)
        return machine

    def set_version(self, version: str) -> None:
        (self.package / "__init__.py").write_text(f'__version__ = "{version}"\n')

    def answer(self, name: str, script: str) -> None:
        """Put a command on the PATH, in place of the one that may be there."""
        (self.tools / name).unlink(missing_ok=True)
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def without(self, *names: str) -> None:
        for name in names:
            (self.tools / name).unlink()

    def env(self, **more: str) -> dict[str, str]:
        kept = {"HOME": str(self.user_home), "PATH": str(self.tools), "LC_ALL": "C"}
        git = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "UV_OFFLINE": "1"}
        return {**kept, **git, "PIP_CONFIG_FILE": "/dev/null", **self.more, **more}

    def run(
        self, *words: str, script: Optional[Path] = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run install.sh without a terminal."""
        return self._run(["bash", str(script or self.script), *words], env=self.env(**more))

    def piped(self, *words: str, text: Optional[str] = None, **more: str) -> Any:
        """As `curl … | bash -s -- WORDS` does it."""
        content = self.script.read_text() if text is None else text
        return self._run(["bash", "-s", "--", *words], env=self.env(**more), input=content)

    def _run(self, words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        return subprocess.run(
            words,
            cwd=self.user_home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            start_new_session=True,  # no terminal to find
            **options,
        )

    def calls(self) -> list[str]:
        """What the installed command was called with, in order; forgotten then."""
        path = self.user_home / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def git(self, *words: str, cwd: Optional[Path] = None) -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
        subprocess.run(
            ["git", *identity, *words], cwd=cwd or self.checkout, env=self.env(), check=True
        )

    def published(self) -> str:
        """The checkout as a git repository to fetch from; returns its URL."""
        if not (self.checkout / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-qm", "x")
        return f"file://{self.checkout}"

    def text(self, done: subprocess.CompletedProcess[str]) -> str:
        """What a run printed, as on any machine."""
        shown = f"$ install.sh\n{done.stderr}{done.stdout}exit code {done.returncode}\n"
        for found, named in (
            (str(self.user_home), "~"),
            (str(self.folder), "/somewhere"),
            (REAL_PYTHON, "/usr/bin/python3"),
            (os.path.realpath(REAL_PYTHON), "/usr/bin/python3"),
        ):
            shown = shown.replace(found, named)
        return re.sub(r"(could not be fetched: )[^\n]*?(\. Is this)", r"\1REASON\2", shown)
