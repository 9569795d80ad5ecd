"""Sending what the outbox holds to one backend: lease, build, send, settle.

A span is built from the stored turn each time it is sent, by what the outbox row says, so that a
repeated attempt has the same ids and bytes. It is settled after the backend's answer: who is
killed in between leaves a lease that runs out, and the spans are sent again.
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Optional

from harness_tracing import __version__
from harness_tracing.destinations import Destination, Target
from harness_tracing.errors import TracerError
from harness_tracing.export.backoff import delay_s
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.readback import ReadBack, open_readback
from harness_tracing.model import Session, Turn
from harness_tracing.paths import Home
from harness_tracing.prices import PriceTable
from harness_tracing.redact import Policy, redact_turn
from harness_tracing.store import Account, Batch, LeasedTurn, Settled, Store
from harness_tracing.worker.processes import is_gone, own_name
from harness_tracing.worker.pushing import Pusher

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from harness_tracing.export.sender import Sender

Clock = Callable[[], int]

MISDIRECTED_S = 300.0
"""How long a backend is left alone whose endpoint seems to be wrong."""
READ_BACK_NS = 60 * 10**9
"""When a backend that stores later than it answers is asked whether it has."""
ASK_AGAIN_NS = 15 * 10**9
"""How often at most that is looked after in the background."""
MOST_ATTEMPTS = 6
"""How often a span is sent to a backend that takes it and does not have it afterwards."""
_UNCUT = sys.maxsize  # values were cut before they were stored

OF_THE_INSTALLATION = (ImportError, MemoryError, OSError)
"""Faults that say nothing of a turn: a library is being replaced, the memory is full."""

NO_SPAN = "the stored turn has no such span"
NOT_BUILT = "its span could not be built; see the log"
BROKE_OFF = "an error on our side; see the log"
NOT_STORED = "the backend took it but did not have it when it was read back"


@dataclass(frozen=True)
class Round:
    """What one round of sending did.

    `sent` and `dead` count spans. `error` says why it stopped early, `lasting` that trying
    again soon is no use. `wait_s` is the time to the next attempt, None when nothing waits;
    `asked_s` is what the backend itself asked for.
    """

    sent: int = 0
    dead: int = 0
    error: str = ""
    lasting: bool = False
    wait_s: Optional[float] = None
    asked_s: float = 0.0


class Courier:
    """Delivers to one backend. Belongs to one thread, as the store it is given does."""

    def __init__(
        self,
        store: Store,
        destination: Destination,
        log: logging.Logger,
        *,
        now: Clock = time.time_ns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.destination, self._random = destination, jitter
        self._store, self._outbox, self._log, self._now = store, store.outbox, log, now
        self._owner = own_name()
        self._sender: Optional[Sender] = None
        self._read_back: Optional[ReadBack] = open_readback(destination)
        self._prices: Optional[PriceTable] = None
        self._ask_at_ns = 0
        self.pusher = Pusher(store, destination, log, now=now, jitter=jitter)

    @classmethod
    @contextmanager
    def opened(cls, home: Home, destination: Destination, log: logging.Logger) -> Iterator[Courier]:
        """A courier with a store of its own, closed after; StoreError as `Store.open`."""
        with Store.open(home.store) as store:
            courier = cls(store, destination, log)
            try:
                yield courier
            finally:
                courier.close()

    def close(self) -> None:
        """Give back connections."""
        self.pusher.close()
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def account(self) -> Optional[Account]:
        """Our backend as the store knows it; None before anything was to go there."""
        found = (each for each in self._outbox.accounts() if each.name == self._name)
        return next(found, None)

    @property
    def _name(self) -> tuple[str, str, str]:
        return self.destination.target.account

    def has_waiting(self) -> bool:
        """Whether anything waits for our backend, also in other hands."""
        return any(each.name == self._name for each in self._outbox.accounts("waiting"))

    # -- sending

    def send(self, *, anyway: bool = False, timeout_s: Optional[float] = None) -> Round:
        """Send what waits, as much as one lease covers.

        A backend that failed is left alone until its time has come, unless `anyway`.
        """
        account = self.account()
        if account is None:
            return Round()
        held = None if anyway else self._held(account)
        if held is not None:
            return held
        batch = self._outbox.lease(account, self._owner, self._now(), is_gone)
        if batch is None:
            return Round()
        try:
            return self._send_batch(account, batch, timeout_s or self.destination.timeout_s)
        except TracerError:
            raise
        except Exception:
            return self._put_aside(account, batch)
        finally:
            self._outbox.release(batch)

    def _held(self, account: Account) -> Optional[Round]:
        now_ns = self._now()
        if account.is_due(now_ns):
            return None
        if account.paused_by is not None and account.paused_by != self.destination.fingerprint:
            return None  # these are not the credentials it refused
        wait_s = (account.due_at_ns - now_ns) / 1e9
        lasting = account.paused_by is not None
        return Round(error=account.last_error or "", lasting=lasting, wait_s=wait_s)

    def _send_batch(self, account: Account, batch: Batch, timeout_s: float) -> Round:
        from harness_tracing.export.sender import open_sender, send_all

        if self._sender is None:
            self._sender = open_sender(self.destination, version=__version__)
        done, why = Round(wait_s=0.0), ""
        for result in send_all(self._sender, self._readables(batch), timeout_s=timeout_s):
            outcome, count = self._untitled(result.outcome), len(result.span_ids)
            if outcome.verdict == "delivered":
                state = "delivered" if self._read_back is None else "sent"
                self._outbox.settle(batch, result.span_ids, state, self._now())
                self._note_success(account)
                account = replace(account, failures=0)
                done = replace(done, sent=done.sent + count)
            elif outcome.verdict in ("rejected", "too_large"):
                self._outbox.settle(batch, result.span_ids, "dead", self._now(), outcome.reason)
                done, why = replace(done, dead=done.dead + count), outcome.reason
            else:
                done = self._failed(account, outcome, done)
                break
            self._outbox.renew(batch, self._now())
        self._say_dead(done.dead, why)
        return replace(done, wait_s=None) if done == Round(wait_s=0.0) else done

    def _untitled(self, outcome: Outcome) -> Outcome:
        """The same without the destination's name, which whoever shows the reason puts there."""
        title = f"{self.destination.target.title}: "
        return replace(outcome, reason=outcome.reason.removeprefix(title))

    def _note_success(self, account: Account) -> None:
        if account.failures:
            self._log.info("%s takes spans again", self.destination.target.title)
        self._outbox.worked(account, self._now())

    def _say_dead(self, spans: int, why: str) -> None:
        if spans:
            self._log.error(
                "%d spans are not sent to %s: %s; `harness outbox list` shows them,"
                " `harness outbox retry` sends them again",
                spans,
                self.destination.target.title,
                why,
            )

    def _failed(self, account: Account, outcome: Outcome, done: Round) -> Round:
        """Note that the backend failed: when it may be tried again, and one line in the log."""
        title, now_ns = self.destination.target.title, self._now()
        if outcome.verdict == "refused":
            if account.paused_by != self.destination.fingerprint:
                self._log.error(
                    "%s refused the credentials (%s): nothing is sent there until they are"
                    " changed; everything waits in the outbox (`harness outbox list`)",
                    title,
                    outcome.reason,
                )
            self._outbox.pause(account, self.destination.fingerprint, outcome.reason, now_ns)
            return replace(done, error=outcome.reason, lasting=True, wait_s=3600.0)
        wait_s = delay_s(account.failures + 1, self._random(), outcome.retry_after_s)
        if outcome.verdict == "misdirected":
            wait_s = max(wait_s, MISDIRECTED_S)
        if not account.failures:
            self._log.warning("%s: %s; what is to go there waits", title, outcome.reason)
        self._outbox.hold(account, now_ns + int(wait_s * 1e9), outcome.reason, now_ns)
        lasting = outcome.verdict == "misdirected"
        asked_s = outcome.retry_after_s or 0.0
        return replace(done, error=outcome.reason, lasting=lasting, wait_s=wait_s, asked_s=asked_s)

    def _put_aside(self, account: Account, batch: Batch) -> Round:
        """Sending broke off by a fault of ours: no span must keep all that come after it.

        What cannot be encoded is dead. When that is not it, the backend counts as failing, so
        that nobody tries without a pause, or stays for ever.
        """
        from harness_tracing.export.encoding import encode

        self._log.exception("what waits for %s cannot be sent", self.destination.target.title)
        dead = 0
        for leased in batch.turns:
            try:
                for _ in encode(self._readables(replace(batch, turns=(leased,)))):
                    pass
            except OF_THE_INSTALLATION:
                continue
            except Exception:
                self._outbox.settle(batch, leased.span_ids, "dead", self._now(), NOT_BUILT)
                dead += len(leased.span_ids)
        self._say_dead(dead, NOT_BUILT)
        if dead:
            return Round(dead=dead, wait_s=0.0)
        return self._failed(account, Outcome("temporary", BROKE_OFF), Round())

    # -- building

    def _readables(self, batch: Batch) -> list[ReadableSpan]:
        """The spans of a batch; those that cannot be built are dead."""
        found: list[ReadableSpan] = []
        for leased in batch.turns:
            try:
                built = self._built(leased)
            except OF_THE_INSTALLATION:
                raise
            except Exception:
                # The edge of one turn: it must not keep all that come after it from leaving.
                self._log.exception("turn %s cannot be sent", leased.turn_id)
                self._outbox.settle(batch, leased.span_ids, "dead", self._now(), NOT_BUILT)
                continue
            wanted = set(leased.span_ids)
            found.extend(built[span_id] for span_id in leased.span_ids if span_id in built)
            missing = wanted - built.keys()
            if missing:
                self._outbox.settle(batch, missing, "dead", self._now(), NO_SPAN)
                self._say_dead(len(missing), NO_SPAN)
        return found

    def _built(self, leased: LeasedTurn) -> dict[str, ReadableSpan]:
        row = self._store.session(leased.session_id, leased.agent)
        found = self._store.turn_row(leased.agent, leased.session_id, leased.turn_id)
        if row is None or found is None:
            return {}
        if self._prices is None:
            self._prices = PriceTable.load()
        built = readables(found.turn, row.session, leased.target, self._prices)
        if found.late_step_ids:
            # Late steps change nothing of what may have been sent before they came.
            first = readables(found.turn_when_final, row.session, leased.target, self._prices)
            built.update(first)
        return built

    # -- reading back

    def read_back(self, *, sent_before_ns: Optional[int] = None, patience_s: float = 0.0) -> int:
        """Ask the backend for what it took; what it does not have waits again. How much that is.

        Without `sent_before_ns` only for what was sent a while ago, and not while the backend
        fails. It gets `patience_s` to store what it was sent a moment ago. Raises
        CannotTellError when the backend cannot be asked now.
        """
        account, now_ns = self.account(), self._now()
        if account is None or self._read_back is None:
            return 0
        if sent_before_ns is None:
            if now_ns < self._ask_at_ns or not account.is_due(now_ns):
                return 0
            self._ask_at_ns = now_ns + ASK_AGAIN_NS
        before_ns = now_ns - READ_BACK_NS if sent_before_ns is None else sent_before_ns
        batch = self._outbox.unverified(account, before_ns)
        until = time.monotonic() + patience_s
        lost = 0
        for turn in batch.turns if batch is not None else ():
            lost += self._note_stored(turn, self._stored(turn, until))
        return lost

    def _stored(self, turn: LeasedTurn, until: float) -> set[str]:
        assert self._read_back is not None
        while True:
            stored = self._read_back.stored(turn.target.project, turn.span_ids)
            if stored.issuperset(turn.span_ids) or time.monotonic() > until:
                return stored
            time.sleep(0.5)

    def _note_stored(self, turn: LeasedTurn, stored: set[str]) -> int:
        given_up = turn.attempts >= MOST_ATTEMPTS
        state = "dead" if given_up else "waiting"
        lost = self._outbox.verify(turn, stored, state, self._now(), NOT_STORED)
        if lost:
            self._log.warning(
                "%s does not have %d spans that it took; they are %s",
                turn.target.title,
                lost,
                "given up (`harness outbox retry` sends them again)" if given_up else "sent again",
            )
        return lost


def readables(
    turn: Turn, session: Session, target: Target, table: PriceTable
) -> dict[str, ReadableSpan]:
    """The finished spans of a turn as a target gets them, by span id."""
    from harness_tracing.spans import spans
    from harness_tracing.spans.otel import readables as finished

    policy = Policy(
        prompts=target.log_prompts,
        tool_details=target.log_tool_details,
        tool_content=target.log_tool_content,
        secrets=False,  # blanked before they were stored
        max_value_chars=_UNCUT,
    )
    turn = redact_turn(turn, policy)
    session = replace(session, project=target.project)
    built = spans(turn, session, target.shape, table, harness_version=__version__)
    made = finished(built, session, __version__)
    return {f"{readable.context.span_id:016x}": readable for readable in made}


def rehearse(
    store: Store, settled: Settled, targets: Sequence[Target], log: logging.Logger
) -> None:
    """Do everything but send, for a turn that is final: say what would have been sent where."""
    from harness_tracing.export.encoding import encode

    row = store.session(settled.session_id, settled.agent)
    turn = store.turn(settled.agent, settled.session_id, settled.turn_id)
    if row is None or turn is None:
        return
    table = PriceTable.load()
    for target in targets:
        requests = list(encode(readables(turn, row.session, target, table).values()))
        log.info(
            "dry run: turn %d of session %s would go to %s, project %s, as %d spans (%d bytes)",
            turn.number,
            turn.session_id,
            target.title,
            target.project,
            sum(len(request.span_ids) for request in requests),
            sum(len(request.body) for request in requests),
        )
