"""Applying a proposal in the demo's own project, where `--yes` has said yes beforehand."""

from __future__ import annotations

from harness_tracing.loop_demo import transcript
from harness_tracing.loop_demo.stage import Stage


def apply(stage: Stage, proposal_id: str, say: transcript.Say) -> bool:
    return False
