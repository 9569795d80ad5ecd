"""Keeping to the user's `retention_days`: old sessions go by themselves, once a day."""

from __future__ import annotations

import logging
from contextlib import suppress

from harness_tracing.config import Settings
from harness_tracing.store import Store

DAY_NS = 86_400 * 10**9
MARKER = ".pruned"


def keep_retention(settings: Settings, store: Store, log: logging.Logger, now_ns: int) -> None:
    """Delete sessions whose last event is older than the days the user asked for, if any.

    At most once a day for all workers together: the time of the marker file says when.
    """
    if settings.retention_days is None:
        return
    marker = settings.home.root / MARKER
    with suppress(OSError):
        if now_ns - marker.stat().st_mtime_ns < DAY_NS:
            return
    with suppress(OSError):
        marker.touch(mode=0o600)
    count = store.prune(now_ns - settings.retention_days * DAY_NS)
    if count:
        days = settings.retention_days
        log.info("deleted %d sessions without an event for %d days (retention_days)", count, days)
