"""A program in a terminal of tmux, typed at as a user does."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest


class Terminal:
    """A shell command in a terminal of its own, within a `with` block. `screen` is what it shows.

    Needs tmux, and fails without it, saying so.
    """

    def __init__(self, command: str, folder: Path, environ: Mapping[str, str]) -> None:
        if shutil.which("tmux") is None:
            pytest.fail("tmux is not here: install it (apt-get install tmux)")
        own = Path(tempfile.mkdtemp(prefix="terminal-"))
        self._tmux = ["tmux", "-S", str(own / "socket"), "-f", "/dev/null"]
        self._done, self._own = own / "exit-code", own
        line = f"{command}; echo $? > {shlex.quote(str(self._done))}; exec sleep 60"
        env = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environ}
        size = ("-x", "110", "-y", "50")
        start = [*self._tmux, "new-session", "-d", *size, "-c", str(folder), line]
        subprocess.run(start, check=True, env=env)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)
        shutil.rmtree(self._own)

    @property
    def screen(self) -> str:
        return subprocess.run(
            [*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True
        ).stdout

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux, such as Enter, Down, C-c or y."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def answer(self, question: str, *keys: str, text: str = "") -> None:
        """Wait for a question, type a text, press keys."""
        self.expect(question)
        if text:
            subprocess.run([*self._tmux, "send-keys", "-l", text], check=True)
        if keys:
            self.press(*keys)

    def expect(self, *texts: str) -> str:
        """Wait until the screen shows all of some texts; the screen."""
        until = time.monotonic() + 20
        while True:
            screen = self.screen
            if all(text in screen for text in texts):
                return screen
            if time.monotonic() > until:
                raise AssertionError(f"{texts} never came:\n{screen}")
            time.sleep(0.03)

    def exit_code(self) -> int:
        """Wait for the command's end."""
        until = time.monotonic() + 20
        while not (self._done.exists() and self._done.read_text()):
            if time.monotonic() > until:
                raise AssertionError(f"it does not end:\n{self.screen}")
            time.sleep(0.03)
        return int(self._done.read_text())
