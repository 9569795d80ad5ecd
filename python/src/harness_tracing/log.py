"""One log per agent, rotated, readable by its user only. Logging never breaks what it logs."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from harness_tracing.config import Settings

MAX_BYTES = 2 << 20
BACKUPS = 2


class PrivateFileHandler(RotatingFileHandler):
    """A rotating file of mode 0600. What cannot be written (full disk) is lost silently."""

    def _open(self):  # type: ignore[no-untyped-def]
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """There is nowhere left to complain to."""


def log_path(settings: Settings, agent: str) -> Path:
    """Where an agent's log lies."""
    return settings.log_file or settings.home.logs / f"{agent}.log"


def agent_log(settings: Settings, agent: str) -> logging.Logger:
    """The log of an agent's workers; asking again gives the same one."""
    log = logging.getLogger(f"harness_tracing.{agent}")
    if not log.handlers:
        log.propagate = False
        log.setLevel(logging.DEBUG if settings.verbose else logging.INFO)
        log.addHandler(_handler(log_path(settings, agent)))
    return log


def _handler(path: Path) -> logging.Handler:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = PrivateFileHandler(path, maxBytes=MAX_BYTES, backupCount=BACKUPS)
        line = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
        handler.setFormatter(logging.Formatter(line))
        return handler
    return logging.NullHandler()
