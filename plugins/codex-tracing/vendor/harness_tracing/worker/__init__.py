"""The worker: the only wiring of the live pipeline, one background process per agent session."""

from __future__ import annotations

from harness_tracing.worker.result import FlushResult
from harness_tracing.worker.sweep import flush, sweep, sweep_in_background

__all__ = ["FlushResult", "flush", "sweep", "sweep_in_background"]
