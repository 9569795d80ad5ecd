"""The turns of a proposal's evaluator, agent and folder, before and after it was applied."""

from __future__ import annotations

from pathlib import Path

from harness_tracing.errors import ImproveError
from harness_tracing.improve.findings import Asked, collected, project_of
from harness_tracing.improve.proposal import Proposal
from harness_tracing.improve.report import JudgedTurn, Report
from harness_tracing.improve.report import report as reported
from harness_tracing.store import Store


def measured(store: Store, proposal: Proposal, user_home: Path) -> Report:
    """Whether it helped; ImproveError for a proposal that was never applied."""
    if proposal.applied_at_ns is None:
        raise ImproveError(f"{proposal.proposal_id} was never applied, so there is no after")
    roots: dict[str, str] = {}
    turns = []
    for each in collected(store, Asked(agent=proposal.agent)):
        if each.name != proposal.rule or each.folder is None:
            continue
        if each.folder not in roots:
            roots[each.folder] = project_of(each.agent, each.folder, user_home) or each.folder
        if roots[each.folder] == proposal.folder:
            turns.append(
                JudgedTurn(
                    each.evidence.session_id,
                    each.evidence.started_at_ns,
                    each.passed,
                    each.cost_usd,
                    each.seconds,
                    each.session_started_at_ns,
                )
            )
    return reported(
        turns,
        proposal.applied_at_ns,
        evaluator=proposal.rule,
        project=proposal.project,
        reverted_at_ns=proposal.reverted_at_ns,
    )
