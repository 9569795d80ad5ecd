"""What an agent did, read from its turns: commands, edits, checks, and the project's gate.

Pure functions from :class:`~harness_tracing.model.Turn` to facts, for whoever reads turns from
the store: the summary of a session, and judgements about it. They know no store and no agent;
tools are known by the names that agents give them.
"""

from __future__ import annotations

from harness_tracing.activity.commands import Command, tool_calls
from harness_tracing.activity.edits import Edit
from harness_tracing.activity.gate import GATE_FILES, Gate, declared_gate, gate_of, runs_gate
from harness_tracing.activity.reading import (
    Readable,
    TurnActivity,
    activities_of,
    activity_of,
    commands_of,
    edits_of,
    reads_of,
)
from harness_tracing.activity.verification import (
    Verdict,
    Verification,
    verification_of,
    verified_by,
)

__all__ = [
    "GATE_FILES",
    "Command",
    "Edit",
    "Gate",
    "Readable",
    "TurnActivity",
    "Verdict",
    "Verification",
    "activities_of",
    "activity_of",
    "commands_of",
    "declared_gate",
    "edits_of",
    "gate_of",
    "reads_of",
    "runs_gate",
    "tool_calls",
    "verification_of",
    "verified_by",
]
