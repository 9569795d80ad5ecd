"""Log files: one per agent, shared by all its workers, small, private, and never in the way.

Lines are cleaned of secrets. Writing never raises: with a full disk the line is lost.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from harness_tracing.config import Settings
from harness_tracing.locks import FileLock

_ROOT = "harness_tracing"
# A worker's log is read by people: two files of a megabyte hold weeks.
_LARGEST_BYTES = 1_000_000
_FORMAT = "%(asctime)s %(levelname)s %(process)d %(message)s"


def log_path(settings: Settings, agent: str) -> Path:
    """Where the agent's log lies: ``ARIZE_LOG_FILE``, else ``<home>/logs/<agent>.log``."""
    return settings.log_file or settings.home.logs / f"{agent}.log"


def agent_log(settings: Settings, agent: str) -> logging.Logger:
    """The logger that writes to the agent's log file; with `verbose`, also what is for debugging.

    Whatever else this package logs goes to the same file from now on, and nowhere else.
    """
    return log_to(log_path(settings, agent), agent, verbose=settings.verbose)


def log_to(path: Path, agent: str, *, verbose: bool = False) -> logging.Logger:
    """The same for a file given by its path: for when the settings cannot be read."""
    root = logging.getLogger(_ROOT)
    for handler in [h for h in root.handlers if isinstance(h, _SharedFile)]:
        root.removeHandler(handler)
    root.addHandler(_SharedFile(path))
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    root.propagate = False
    return logging.getLogger(f"{_ROOT}.{agent}")


class _SharedFile(logging.Handler):
    """Appends to a file that other processes append to and rotate as well.

    Opened for each line: no process goes on writing to a file that another has moved away,
    and a line shorter than a page goes out in one write.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; what goes wrong is swallowed."""
        try:
            line = _clean(self.format(record)) + "\n"
            self._append(line.encode("utf-8", "backslashreplace"))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        """Nothing: a log that cannot be written must not disturb the work."""

    def _append(self, line: bytes) -> None:
        if self._is_full(len(line)):
            self._move_aside(len(line))
        file = self._open()
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def _is_full(self, more: int) -> bool:
        try:
            return self._path.stat().st_size + more > _LARGEST_BYTES
        except OSError:
            return False

    def _move_aside(self, more: int) -> None:
        """Begin a new file, unless another process is about to, or has just done so."""
        lock = FileLock(self._path)
        if not lock.acquire():
            return
        try:
            if self._is_full(more):
                # On Windows a file that is open cannot be moved: it grows on.
                with suppress(OSError):
                    self._path.replace(self._path.with_name(self._path.name + ".1"))
        finally:
            lock.release()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            return os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o600)


def _clean(line: str) -> str:
    from harness_tracing.secret_rules import redact_text

    return redact_text(line)[0]
