"""Running a command as if it had been started in our place."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Callable, Optional

# What people and supervisors end programs with. Not all are known everywhere.
_FORWARDED = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if hasattr(signal, name)
]
_OF_KEYBOARD = [getattr(signal, name) for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name)]
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class Signals:
    """Hands signals on to the command while it runs; none ends us before we give its exit code.

    They are taken over for good: this process has nothing to do but to run the command.
    """

    def __init__(self) -> None:
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._early: list[int] = []
        self._interrupts = False
        self.foreground = _has_terminal()
        for number in _FORWARDED:
            # Who starts us with a signal ignored (nohup) wants it ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._came)

    def hand_to(self, child: subprocess.Popen[bytes]) -> None:
        """From now on signals are this process's, those too that came while it was started."""
        self._child = child
        while self._early:
            self._hand_on(self._early.pop(0))

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Meanwhile the first signal is a KeyboardInterrupt."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def ignore(self) -> None:
        """From now on none ends us: the exit code is known, and giving it takes a moment."""
        for number in _FORWARDED:
            if signal.getsignal(number) == self._came:
                signal.signal(number, signal.SIG_IGN)

    def _came(self, number: int, _frame: Optional[FrameType]) -> None:
        if self._interrupts:
            self._interrupts = False
            raise KeyboardInterrupt
        if self._child is None:
            self._early.append(number)
        else:
            self._hand_on(number)

    def _hand_on(self, number: int) -> None:
        child = self._child
        # A key pressed at the terminal has reached the command already.
        at_keyboard = self.foreground and number in _OF_KEYBOARD
        if child is None or child.returncode is not None or at_keyboard:
            return
        with suppress(OSError):
            if os.name == "posix" and not self.foreground:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)


def run(
    words: Sequence[str],
    env: Mapping[str, str],
    signals: Signals,
    tell: Callable[[str], object],
) -> int:
    """Run a command with our streams; its exit code as a shell would give it.

    At a terminal it shares our process group, so that keys reach it as they would without us.
    Elsewhere it gets one of its own: whoever kills that group leaves us to finish.
    """
    apart = os.name == "posix" and not signals.foreground
    try:
        child = subprocess.Popen(
            list(words), env=dict(env), preexec_fn=os.setpgrp if apart else None
        )
    except OSError as error:
        tell(f"harness: {words[0]}: {error.strerror or error}")
        return NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
    signals.hand_to(child)
    code = child.wait()
    return 128 - code if code < 0 else code


def _has_terminal() -> bool:
    """Whether we are what a terminal's keys reach."""
    if os.name != "posix":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
