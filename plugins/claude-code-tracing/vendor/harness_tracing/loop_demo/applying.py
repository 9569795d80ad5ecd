"""Applying a proposal in the demo's own project, where `--yes` has said yes beforehand.

`harness improve apply` takes a yes from a person at a terminal alone. The demo does not get around
that: it writes into the project that it has made itself, and nowhere else.
"""

from __future__ import annotations

import time
from pathlib import Path

from harness_tracing.improve import apply as applying
from harness_tracing.improve.draft import with_diff
from harness_tracing.improve.proposal import to_json
from harness_tracing.improve.suggest import stored
from harness_tracing.improve.text import question, shown
from harness_tracing.loop_demo import transcript
from harness_tracing.loop_demo.stage import DemoError, Stage
from harness_tracing.store import Store


def apply(stage: Stage, proposal_id: str, say: transcript.Say) -> bool:
    """Apply it, and show what the command shows; DemoError when it is not for this project."""
    with Store.open(stage.home.store) as store:
        row = store.proposals.get(proposal_id)
        if row is None:
            raise DemoError(f"there is no proposal {proposal_id}")
        proposal = stored(row)
        if Path(proposal.folder) != stage.project:
            raise DemoError(f"{proposal_id} is for {proposal.folder}, not for the demo's project")
        planned = applying.plan(proposal)
        told = "\n".join(shown(with_diff(proposal), applying.preview(planned)))
        transcript.output(say, transcript.shortened(told))
        say(f"{question(proposal)} Type yes: yes")
        now_ns = time.time_ns()
        done = applying.apply_proposal(proposal, stage.home, now_ns, shown=planned)
        store.proposals.put(done.proposal_id, to_json(done), done.state, now_ns)
    for each in planned:
        say(f"Applied {proposal_id}: {each.path}")
    return True
