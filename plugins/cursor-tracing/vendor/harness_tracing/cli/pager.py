"""Long output goes through the user's pager, as git does it; short output is simply printed."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Optional, TextIO

_DEFAULT = "less"
# Colours as they are, no clearing of the screen at the end.
_LESS = "FRX"


class Paged(io.TextIOBase):
    """A text stream to the terminal that starts a pager once more than `height` lines came.

    A context manager: it ends when the user leaves the pager. What is written after that goes
    nowhere, quietly.
    """

    def __init__(self, environ: Mapping[str, str], height: int, to: Optional[TextIO] = None):
        """`height` is the screen's; `to` is where everything goes that fits on it."""
        self._environ, self._height, self._to = environ, height, to or sys.stdout
        self._held: list[str] = []
        self._lines = 0
        self._pager: Optional[subprocess.Popen[str]] = None
        self._command = _command(environ)
        self._left = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the terminal."""
        return self._to.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Print it, hold it back, or pass it to the pager."""
        if self._pager is not None:
            self._send(text)
        elif self._command is None:
            self._to.write(text)
        else:
            self._held.append(text)
            self._lines += text.count("\n")
            if self._lines >= self._height:
                self._start()
        return len(text)

    def _start(self) -> None:
        assert self._command is not None
        environ = {"LESS": _LESS, **self._environ}
        held, self._held = "".join(self._held), []
        try:
            self._pager = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, env=environ, encoding=self.encoding
            )
        except OSError:
            self._command = None
            self._to.write(held)
            return
        self._send(held)

    def _send(self, text: str) -> None:
        if self._left or self._pager is None or self._pager.stdin is None:
            return
        try:
            self._pager.stdin.write(text)
            self._pager.stdin.flush()
        except (BrokenPipeError, ConnectionResetError):
            self._left = True

    def __enter__(self) -> Paged:
        return self

    def __exit__(
        self,
        error_type: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._pager is None:
            self._to.write("".join(self._held))
            self._to.flush()
            return
        if self._pager.stdin is not None:
            try:
                self._pager.stdin.close()
            except BrokenPipeError:
                self._left = True
        while True:
            try:
                self._pager.wait()
                return
            except KeyboardInterrupt:  # Ctrl-C is the pager's while it runs
                continue


def _command(environ: Mapping[str, str]) -> Optional[list[str]]:
    """The pager's command; None when the user wants none or there is none."""
    wanted = environ.get("PAGER", _DEFAULT).strip()
    if wanted in ("", "cat"):
        return None
    try:
        words = shlex.split(wanted)
    except ValueError:
        return None
    found = shutil.which(words[0], path=environ.get("PATH"))
    return [found, *words[1:]] if found else None
