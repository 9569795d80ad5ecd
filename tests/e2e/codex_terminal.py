"""Codex's interactive client in a pseudo-terminal, which answers what it asks its terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Callable

from codex_client import CODEX, Codex

SIZE = struct.pack("HHHH", 45, 140, 0, 0)
ANSWERS = {
    b"\x1b[6n": b"\x1b[1;1R",
    b"\x1b[c": b"\x1b[?1;2c",
    b"\x1b[?u": b"\x1b[?0u",
    b"\x1b]10;?": b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\",
    b"\x1b]11;?": b"\x1b]11;rgb:0000/0000/0000\x1b\\",
}
ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class CodexTerminal:
    """`codex` in a terminal of its own."""

    def __init__(self, codex: Codex, *words: str, **env: str):
        self._written = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, SIZE)
        self.process = subprocess.Popen(
            [str(CODEX), *words],
            cwd=codex.project,
            env={**codex.env(), "TERM": "xterm-256color", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def screen(self) -> str:
        """All that it wrote, without colours and moves."""
        return ESCAPES.sub(b"", self._written).decode("utf-8", "replace")

    def until(self, done: Callable[[], object], timeout_s: float = 40) -> None:
        """Read and answer until something is so."""
        end = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < end, self.screen()[-3000:]
            self._read()

    def type(self, words: str) -> None:
        """Type words and press Enter."""
        for keys in (words, "\r"):
            os.write(self._ours, keys.encode())
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                self._read()

    def close(self) -> None:
        """Close the window, as it were."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGHUP)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)

    def _read(self) -> None:
        if select.select([self._ours], [], [], 0.05)[0]:
            try:
                written = os.read(self._ours, 65536)
            except OSError:  # it is gone
                time.sleep(0.05)
                return
            self._written += written
            for asked, answer in ANSWERS.items():
                if asked in written:
                    os.write(self._ours, answer)


def daemons(codex: Codex) -> list[int]:
    """The processes of this home's background server."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if words.startswith(bytes(codex.folder / "packages")) and b"app-server" in words:
            found.append(int(path.parent.name))
    return found
