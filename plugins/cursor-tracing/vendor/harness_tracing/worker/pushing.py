"""Pushing annotations to where their spans went: look up what is due, push, note.

A row is written after the backend's answer: who is killed in between pushes the same again,
which changes nothing there, as a backend knows an annotation by its name, target and identifier.
What fails with annotations is noted with them and never holds up spans.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Optional

from harness_tracing.destinations import Destination, Target
from harness_tracing.export.backoff import delay_s
from harness_tracing.export.outcome import Outcome
from harness_tracing.store import Account, Due, Hold, Store

if TYPE_CHECKING:
    from harness_tracing.export.annotations import Annotations, Answered, Verdict

MISDIRECTED_S = 300.0
"""How long a backend is left alone that does not know our way of pushing."""
REFUSED_S = 3600.0
"""How long credentials that were refused are not shown again."""
LONGEST_ABSENCE_S = {"sent": 60.0, "delivered": 3600.0}
"""The longest time between two attempts for a span that the backend does not have, by whether it
was read back there."""
MOST_ABSENCES = 20
"""How often that is tried for a span that was read back there once: some 11 hours."""
GONE = "the backend does not have its span (any more)"


@dataclass(frozen=True)
class Pushed:
    """What one round of pushing did: how many annotations were taken, and how many never will be.

    `wait_s` is the time to the next attempt, None when nothing is left. `error` says why it
    failed, `lasting` that trying again soon is no use.
    """

    taken: int = 0
    dead: int = 0
    error: str = ""
    lasting: bool = False
    wait_s: Optional[float] = None


class Pusher:
    """Pushes to one backend. Belongs to one thread, as the store it is given does."""

    def __init__(
        self,
        store: Store,
        destination: Destination,
        log: logging.Logger,
        *,
        now: Callable[[], int] = time.time_ns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._destination, self._log, self._now, self._random = destination, log, now, jitter
        self._outbox, self._pushes = store.outbox, store.pushes
        self._takes = destination.annotations and bool(destination.target.annotator_kinds)
        self._way: Optional[Annotations] = None

    def close(self) -> None:
        """Give back the connection."""
        if self._way is not None:
            self._way.close()
            self._way = None

    def push(self, *, anyway: bool = False, timeout_s: Optional[float] = None) -> Pushed:
        """Push what is due, as much as is looked up at once.

        A backend that failed is left alone until its time has come, unless `anyway`.
        """
        if not self._pushes.any_open():
            return Pushed()
        account = self._account()
        if account is None or not self._takes:
            # What was said while none is wanted there does not follow later, either.
            self._pushes.settle_pushed(without=account.name if account else None)
            return Pushed()
        now_ns = self._now()
        hold = self._pushes.hold(account)
        if not anyway:
            held = self._held(account, hold, now_ns)
            if held is not None:
                return held
        dues = self._pushes.due(account, now_ns, anyway=anyway)
        if not dues:
            self._pushes.settle_pushed()
            next_ns = self._pushes.next_due_ns(account)
            return Pushed(wait_s=None if next_ns is None else max(0.1, (next_ns - now_ns) / 1e9))
        return self._push(account, hold, dues, timeout_s or self._destination.timeout_s)

    def _account(self) -> Optional[Account]:
        wanted = self._destination.target.account
        return next((each for each in self._outbox.accounts() if each.name == wanted), None)

    def _held(self, account: Account, hold: Optional[Hold], now_ns: int) -> Optional[Pushed]:
        """Why nothing is to be pushed now. Where spans cannot go annotations need not try."""
        for until_ns, paused_by, error, is_due in (
            (account.due_at_ns, account.paused_by, account.last_error, account.is_due(now_ns)),
            (hold.until_ns, hold.paused_by, hold.error, hold.is_over(now_ns))
            if hold
            else (0, None, None, True),
        ):
            other = paused_by is not None and paused_by != self._destination.fingerprint
            if not is_due and not other:
                wait_s = (until_ns - now_ns) / 1e9
                return Pushed(error=error or "", lasting=paused_by is not None, wait_s=wait_s)
        return None

    def _push(
        self, account: Account, hold: Optional[Hold], dues: Sequence[Due], timeout_s: float
    ) -> Pushed:
        from harness_tracing.export.annotations import open_annotations

        if self._way is None:
            self._way = open_annotations(self._destination)
        if self._way is None:
            return Pushed()
        done = Pushed(wait_s=0.0)
        by_project: dict[str, list[Due]] = {}
        for due in dues:
            by_project.setdefault(due.target.project, []).append(due)
        for project, some in by_project.items():
            by_key = {each.annotation_key: each for each in some}
            for answered in self._way.push([verdict(each) for each in some], project, timeout_s):
                meant = [by_key[key] for key in answered.keys]
                if answered.outcome.verdict == "delivered" and hold is not None:
                    self._pushes.release(account)
                    hold = None
                done = self._noted(account, hold, meant, answered, done)
            if done.error and done.wait_s:
                return done
        return done

    def _noted(
        self,
        account: Account,
        hold: Optional[Hold],
        dues: Sequence[Due],
        answered: Answered,
        done: Pushed,
    ) -> Pushed:
        outcome = self._untitled(answered.outcome)
        if outcome.verdict == "delivered":
            self._pushes.note(dues, "pushed")
            return replace(done, taken=done.taken + len(dues))
        if answered.absent or (answered.alone and outcome.verdict == "temporary"):
            for due in dues:
                self._put_off(due, outcome.reason, absent=answered.absent)
            return replace(done, error=outcome.reason)
        if answered.alone:
            self._pushes.note(dues, "dead", error=outcome.reason)
            self._say_dead(len(dues), outcome.reason)
            return replace(done, dead=done.dead + len(dues))
        return self._failed(hold, dues, outcome, done)

    def _put_off(self, due: Due, why: str, *, absent: bool) -> None:
        """One annotation has to wait: its span is not there yet, or the server stumbles over it."""
        if absent and due.span_state == "delivered" and due.attempts + 1 >= MOST_ABSENCES:
            self._pushes.note([due], "dead", error=GONE)
            self._say_dead(1, GONE)
            return
        wait_s = min(LONGEST_ABSENCE_S[due.span_state], 2.0 ** min(due.attempts, 20))
        self._pushes.note([due], "later", due_at_ns=self._now() + int(wait_s * 1e9), error=why)

    def _failed(
        self, hold: Optional[Hold], dues: Sequence[Due], outcome: Outcome, done: Pushed
    ) -> Pushed:
        """The backend failed: nothing is pushed there until its time has come."""
        title, failures = self._destination.target.title, (hold.failures if hold else 0) + 1
        paused_by = None
        if outcome.verdict == "refused":
            wait_s, paused_by = REFUSED_S, self._destination.fingerprint
        else:
            wait_s = delay_s(failures, self._random(), outcome.retry_after_s)
            if outcome.verdict == "misdirected":
                wait_s = max(wait_s, MISDIRECTED_S)
        if hold is None or (paused_by is not None and hold.paused_by != paused_by):
            self._log.warning(
                "%s takes no annotations: %s; they wait (`harness outbox list`)",
                title,
                outcome.reason,
            )
        self._pushes.note(
            dues,
            "held",
            due_at_ns=self._now() + int(wait_s * 1e9),
            error=outcome.reason,
            paused_by=paused_by,
            attempts=failures,
        )
        lasting = outcome.verdict in ("refused", "misdirected")
        return replace(done, error=outcome.reason, lasting=lasting, wait_s=max(wait_s, 0.1))

    def _untitled(self, outcome: Outcome) -> Outcome:
        """The same without the destination's name, which whoever shows the reason puts there."""
        title = f"{self._destination.target.title}: "
        return replace(outcome, reason=outcome.reason.removeprefix(title))

    def _say_dead(self, count: int, why: str) -> None:
        self._log.error(
            "%d annotations are not taken by %s: %s; `harness outbox list` shows them,"
            " `harness outbox retry` pushes them again",
            count,
            self._destination.target.title,
            why,
        )


def verdict(due: Due) -> Verdict:
    """What a backend is told of an annotation.

    Rules and judges explain themselves with words of the session. Where the destination is not to
    see all content of it, it gets their labels and scores without the explanation.
    """
    from harness_tracing.export.annotations import Verdict

    said = due.annotation
    told = said.annotator_kind == "HUMAN" or sees_all(due.target)
    return Verdict(
        key=due.annotation_key,
        span_id=said.span_id,
        session_id=due.session_id,
        name=said.name,
        annotator_kind=said.annotator_kind,
        identifier=said.identifier,
        label=said.label,
        score=said.score,
        explanation=said.explanation if told else None,
        metadata=said.metadata,
        began_at_ns=due.began_at_ns,
    )


def sees_all(target: Target) -> bool:
    """Whether no content of a session is kept from a destination."""
    return target.log_prompts and target.log_tool_details and target.log_tool_content
