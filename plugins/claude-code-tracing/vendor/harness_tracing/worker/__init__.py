"""The worker: the only wiring of the live pipeline, one background process per agent session."""

from __future__ import annotations

from harness_tracing.worker.sweep import FlushResult, flush, sweep

__all__ = ["FlushResult", "flush", "sweep"]
