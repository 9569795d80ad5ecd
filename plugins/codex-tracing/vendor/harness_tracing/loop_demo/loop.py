"""The loop itself: instrument, observe, evaluate, improve, and whether it helped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Optional

from harness_tracing.improve.proposal import Proposal
from harness_tracing.improve.suggest import stored
from harness_tracing.loop_demo import transcript
from harness_tracing.loop_demo.client import Agent, shown
from harness_tracing.loop_demo.stage import DemoError, Stage
from harness_tracing.loop_demo.tickets import FREESHIP, SAVE25, SMALL_LETTERS, Ticket
from harness_tracing.store import Store

RULE = "verified_before_done"
TASK = "every-turn"
_KINDS = ("rules_line", "stop_hook")
_APPLYING = """Nothing is applied unasked. As a rule one begins with the line and waits;
    here both are taken, to see the hook at work."""
_SCORED_WITHIN_S = 120
_POLL_S = 0.1

Labels = tuple[Optional[str], ...]
Apply = Callable[[str], bool]
"""Applies a proposal, after whatever question, and shows it; whether it was applied."""


@dataclass(frozen=True)
class Outcome:
    """The labels of the rule on the turns of each half, oldest first.

    `declined`: something that was proposed, the user would not have.
    """

    before: Labels
    after: Labels
    declined: bool


@dataclass(frozen=True)
class Walk:
    """One walk through the loop. `say` prints a line of the transcript."""

    stage: Stage
    agent: Agent
    say: transcript.Say
    apply: Apply

    def whole(self) -> Outcome:
        """All of it; DemoError where a command of ours or the agent fails."""
        self._instrument()
        first, second = self._work(FREESHIP), self._work(SMALL_LETTERS)
        assert first == second
        before = self._observe(first)
        self._evaluate()
        proposals = self._improve()
        applied = [each.proposal_id for each in proposals if self._apply(each.proposal_id)]
        declined = len(applied) < len(proposals)
        if not applied or (declined and self.agent.is_recorded):
            if applied:
                transcript.prose(self.say, "What was recorded next had both: so it ends here.")
            return Outcome(before, (), declined)
        after = self._again()
        self._report(applied[-1])
        return Outcome(before, after, declined)

    # --- the parts

    def _instrument(self) -> None:
        transcript.heading(self.say, "1. Instrument")
        transcript.prose(
            self.say,
            """The hooks go into Claude Code's settings, once. And from now on each turn
            is looked at by the rules that need no model.""",
        )
        self._harness("install", "claude-code")
        words = "--task-type code_evaluation --evaluators all --is-continuous"
        self._harness("tasks", "create-evaluation", "--name", TASK, *words.split())
        transcript.prose(
            self.say,
            """Then two prompts. The project's gate is `make check`: lint, types, tests.
            Does the agent run it before it says that it is done?""",
        )

    def _observe(self, session_id: str) -> Labels:
        transcript.heading(self.say, "2. Observe")
        transcript.prose(
            self.say,
            """What it did, from the store on this machine, and below each answer
            what the rules say of it.""",
        )
        return self._shown(session_id)

    def _evaluate(self) -> None:
        transcript.heading(self.say, "3. Evaluate")
        transcript.prose(
            self.say,
            f"""{RULE} asks for the gate after the last edit. Tests that passed
            are a part of it (partial), which is no pass. In numbers:""",
        )
        self._harness("stats", "--by", "evaluator")

    def _improve(self) -> list[Proposal]:
        """What is proposed about the rule: the line first, then the hook."""
        transcript.heading(self.say, "4. Improve")
        transcript.prose(
            self.say,
            """What happened more than once is worth a proposal: a line for the agent's rules
            and, should that not do, a hook. The hook was run over the recorded turns already:
            what it would have blocked stands beside it.""",
        )
        self._harness("improve", "suggest")
        with Store.open(self.stage.home.store, readonly=True) as store:
            found = [stored(row) for row in store.proposals.all("proposed")]
        of_kind = {each.kind: each for each in found if each.rule == RULE}
        proposals = [of_kind[kind] for kind in _KINDS if kind in of_kind]
        transcript.prose(self.say, _APPLYING if proposals else "There is nothing to improve here.")
        return proposals

    def _apply(self, proposal_id: str) -> bool:
        transcript.command(self.say, f"harness improve apply {proposal_id}")
        return self.apply(proposal_id)

    def _again(self) -> Labels:
        transcript.heading(self.say, "5. The next ticket")
        transcript.prose(
            self.say,
            """The same agent, the next ticket. Where it wants to stop after the tests alone,
            as before, the hook does not let it.""",
        )
        return self._shown(self._work(SAVE25))

    def _report(self, proposal_id: str) -> None:
        transcript.heading(self.say, "6. Did it help?")
        transcript.prose(
            self.say,
            """Before and after, with the counts. One turn proves nothing, and the report
            says so; it goes on counting with every session.""",
        )
        self._harness("improve", "report", proposal_id)

    # --- what they do

    def _work(self, ticket: Ticket) -> str:
        transcript.command(self.say, shown(ticket))
        transcript.output(self.say, self.agent.work(ticket))
        return self.agent.session_id(ticket)

    def _harness(self, *words: str) -> None:
        """Run a command of ours and show it; DemoError when it fails."""
        line = " ".join(("harness", *words))
        transcript.command(self.say, line)
        done = self.stage.harness(*words)
        if done.returncode:
            raise DemoError(f"`{line}` ended with {done.returncode}: {done.stdout.strip()}")
        transcript.output(self.say, done.stdout)

    def _shown(self, session_id: str) -> Labels:
        """Show a session when all of it is stored and scored; the rule's labels."""
        self._harness("flush", "--wait")
        labels = self._labels(session_id)
        self._harness("sessions", "show", session_id[:8])
        return labels

    def _labels(self, session_id: str) -> Labels:
        """The rule's labels on a session's turns, when the task has looked at all there are."""
        deadline = time.monotonic() + _SCORED_WITHIN_S
        while time.monotonic() < deadline:
            with Store.open(self.stage.home.store, readonly=True) as store:
                task = store.evaluations.task(TASK)
                assert task is not None
                if not store.evaluations.queue.counts(task.task_id).waiting:
                    found = store.annotations("claude-code", session_id)
                    return tuple(each.label for each in found if each.name == RULE)
            time.sleep(_POLL_S)
        log = self.stage.home.logs
        raise DemoError(f"the turns were not scored within {_SCORED_WITHIN_S} s; see {log}")
