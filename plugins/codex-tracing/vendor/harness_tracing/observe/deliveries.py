"""What is on its way where: the outbox's queues beside the destinations somebody configured.

Pure: queues and destinations in, rows and words out. Nothing in here knows a credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Optional

from harness_tracing.destinations import Target
from harness_tracing.observe.text import first_line, plural
from harness_tracing.store.outbox import Account, Queue
from harness_tracing.store.pushes import PushQueue

State = Literal["ok", "waiting", "failing", "paused", "no credentials", "refused spans"]

_LONGEST_REASON = 60
_REFUSAL = re.compile(r"\b(401|403)\b")
_ERRNO = re.compile(r"\[Errno -?\d+\]\s*")


@dataclass(frozen=True)
class Known:
    """A destination as this environment knows it.

    `ready`: with all it takes to send there. `fingerprint` tells whether its credentials are
    those that were refused.
    """

    name: str
    target: Target
    ready: bool = True
    fingerprint: str = ""


@dataclass(frozen=True)
class Delivery:
    """One destination: what the outbox holds for it, what is known of it here; either may lack."""

    target: Target
    queue: Optional[Queue]
    known: Optional[Known]
    pushes: Optional[PushQueue] = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.known.name if self.known else self.target.kind

    @property
    def account(self) -> Optional[Account]:
        """The backend with how it answered lately; None before anything was to go there."""
        return self.queue.account if self.queue else None

    @property
    def ready(self) -> bool:
        """Whether this environment could send there."""
        return self.known is not None and self.known.ready

    @property
    def paused(self) -> bool:
        """Whether it refused the credentials, and nobody here has others."""
        paused_by = self.account.paused_by if self.account else None
        new = self.known is not None and self.known.ready and self.known.fingerprint != paused_by
        return paused_by is not None and not new

    @property
    def waiting(self) -> int:
        """How many spans wait."""
        return self.queue.waiting if self.queue else 0

    @property
    def waiting_turns(self) -> int:
        """How many turns those are of."""
        return self.queue.waiting_turns if self.queue else 0

    @property
    def sent(self) -> int:
        """How many spans it took that have not been read back yet."""
        return self.queue.sent if self.queue else 0

    @property
    def dead(self) -> int:
        """How many spans it will not have."""
        return self.queue.dead if self.queue else 0

    @property
    def annotations_waiting(self) -> int:
        """How many annotations of what it has it does not have yet."""
        return self.pushes.waiting if self.pushes else 0

    @property
    def annotations_dead(self) -> int:
        """How many annotations it will not have."""
        return self.pushes.dead if self.pushes else 0

    @property
    def annotations_paused(self) -> bool:
        """Whether it refused the credentials for annotations, and nobody here has others."""
        paused_by = self.pushes.paused_by if self.pushes else None
        new = self.known is not None and self.known.ready and self.known.fingerprint != paused_by
        return paused_by is not None and not new

    @property
    def annotations_reason(self) -> str:
        """What it answered last to annotations that wait."""
        return _without_title((self.pushes.error if self.pushes else None) or "", self.target)

    @property
    def annotations_dead_reason(self) -> str:
        """Why it will not have annotations."""
        told = self.pushes.dead_reason if self.pushes else None
        return _without_title(told or "", self.target)

    @property
    def state(self) -> State:
        """The one word for it, the most pressing one."""
        if self.paused:
            return "paused"
        if self.waiting and not self.ready:
            return "no credentials"
        if self.account is not None and self.account.failures:
            return "failing"
        if self.dead:
            return "refused spans"
        return "waiting" if self.waiting else "ok"

    @property
    def reason(self) -> str:
        """What it answered last, when that was no success, without the destination's name."""
        error = self.account.last_error if self.account else None
        return _without_title(error or "", self.target)

    @property
    def dead_reason(self) -> str:
        """Why it will not have what is dead."""
        return _without_title((self.queue.dead_reason if self.queue else None) or "", self.target)


def _without_title(reason: str, target: Target) -> str:
    return first_line(reason).removeprefix(f"{target.title}: ")


def deliveries(
    queues: Sequence[Queue],
    known: Sequence[Known],
    pushes: Optional[Mapping[Target, PushQueue]] = None,
) -> list[Delivery]:
    """One for each queue, and one for each known destination without any; in a steady order.

    `pushes` are annotations on their way, where somebody wants to know.
    """
    rows = [
        Delivery(
            queue.target,
            queue,
            _known_of(queue.target, known),
            pushes.get(queue.target) if pushes else None,
        )
        for queue in queues
    ]
    queued = {id(row.known) for row in rows}
    rows += [Delivery(each.target, None, each) for each in known if id(each) not in queued]
    places = {id(each): place for place, each in enumerate(known)}
    return sorted(rows, key=lambda row: places.get(id(row.known), len(known)))


def _known_of(target: Target, known: Sequence[Known]) -> Optional[Known]:
    """The destination that the credentials for a queue would come from."""
    same = [each for each in known if each.target.account == target.account]
    exact = [each for each in same if each.target.project == target.project]
    return next(iter([*exact, *same]), None)


def chosen(rows: Iterable[Delivery], name: str) -> list[Delivery]:
    """Those that a person means by a name, a kind or an endpoint; empty when none is."""
    wanted = name.strip()
    plain = wanted.rstrip("/")

    def is_meant(row: Delivery) -> bool:
        endpoint = row.target.endpoint
        endpoints = (endpoint, endpoint.removesuffix("/v1/traces"))
        return wanted in (row.name, row.target.kind) or plain in endpoints

    return [row for row in rows if is_meant(row)]


def names(rows: Iterable[Delivery]) -> str:
    """What may be said for a destination, for messages."""
    return ", ".join(dict.fromkeys(row.name for row in rows)) or "none"


def accounts(rows: Iterable[Delivery]) -> list[Account]:
    """The backends of some rows, each once."""
    found = {row.account.key: row.account for row in rows if row.account is not None}
    return list(found.values())


def in_short(rows: Sequence[Delivery]) -> list[str]:
    """A few words for each backend, such as ``phoenix: 3 turns waiting (connection refused)``.

    The rows of one account are taken together: which project waits is a matter for lists.
    """
    by_account: dict[tuple[str, str, str], list[Delivery]] = {}
    for row in rows:
        by_account.setdefault(row.target.account, []).append(row)
    told = [_of_account(each) for each in by_account.values()]
    return [words for words in told if words]


def _of_account(rows: Sequence[Delivery]) -> str:
    row, turns = rows[0], sum(each.waiting_turns for each in rows)
    dead = sum(each.dead for each in rows)
    name = first_line(row.name)
    waiting = f"{plural(turns, 'turn')} waiting" if turns else ""
    if row.paused:
        code = _REFUSAL.search(row.reason)
        refused = f"paused, key refused{f' ({code[1]})' if code else ''}"
        return f"{name}: {', '.join(each for each in (refused, waiting) if each)}"
    if not row.ready:
        # What nobody here configured and has nothing waiting is history.
        wait = "waits" if turns == 1 else "wait"
        if turns:
            return f"{name}: {plural(turns, 'turn')} {wait} for credentials"
        return f"{name}: no credentials" if row.known else ""
    if turns:
        reason = f" ({_shortened(row.reason)})" if row.reason else ""
        return f"{name}: {waiting}{reason}"
    if dead:
        return f"{name}: {plural(dead, 'span')} not taken"
    return f"{name}: {told}" if (told := _of_annotations(rows)) else f"{name} ok"


def _of_annotations(rows: Sequence[Delivery]) -> str:
    """What is wrong with annotations; those that only wait for their turn are not told."""
    failing = [row for row in rows if row.annotations_waiting and row.annotations_reason]
    if failing:
        waiting = sum(row.annotations_waiting for row in failing)
        reason = _shortened(failing[0].annotations_reason)
        return f"{plural(waiting, 'annotation')} waiting ({reason})"
    dead = sum(row.annotations_dead for row in rows)
    return f"{plural(dead, 'annotation')} not taken" if dead else ""


def _shortened(reason: str) -> str:
    """The part of a reason that tells most: what the system said stands at its end."""
    last = _ERRNO.split(reason)[-1].strip().rstrip(")")
    text = last[:1].lower() + last[1:] if last != reason else reason
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
