"""How words look on a terminal, as rich names it."""

from __future__ import annotations

QUIET, FAILED, CAREFUL, MODEL, LIVE = "dim", "red", "yellow", "cyan", "cyan"
STATUS_STYLES = {
    "completed": QUIET,
    "ok": QUIET,
    "failed": FAILED,
    "error": FAILED,
    "denied": CAREFUL,
    "interrupted": CAREFUL,
    "unknown": CAREFUL,
    "open": LIVE,
    "running": LIVE,
}
