"""Delivering what any session left in the outbox, from a terminal or a sweep."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Optional

from harness_tracing.destinations import Destination
from harness_tracing.errors import ConfigError, NoStoreError, TracerError
from harness_tracing.export.readback import CannotTellError
from harness_tracing.paths import Home
from harness_tracing.store import PushQueue, Queue, Store
from harness_tracing.worker.delivery import READ_BACK_NS, Courier
from harness_tracing.worker.result import FlushResult
from harness_tracing.worker.settings import destinations, destinations_of, everybodys

DRY_RUN = "a dry run sends nothing (ARIZE_DRY_RUN, or dry_run in config.yaml)"
WAITS = "{spans} spans of {turns} turns wait for {title}: {why}"
NO_CREDENTIALS = (
    "{turns} turns wait for credentials of {title}: {give}, then `harness flush`; where nothing is"
    " to be sent there any more, `harness outbox drop --destination {endpoint}`"
)
DEAD = "{spans} spans will not be taken by {title}: {why}; see `harness outbox list`"
PUSHES_WAIT = "{annotations} annotations wait for {title}: {why}"
PUSHES_DEAD = (
    "{annotations} annotations will not be taken by {title}: {why}; see `harness outbox list`"
)
UNCONFIRMED = "{spans} spans were taken by {title} but could not be read back: {why}"
GIVE = {
    "ax": "set ARIZE_API_KEY and ARIZE_SPACE_ID",
    "phoenix": "set PHOENIX_ENDPOINT, and PHOENIX_API_KEY where it wants one",
    "otlp": "set OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS",
}
CONFIRM_S = 15.0
"""How long a backend may take to store what it was sent, when we are asked to verify."""
SHORTEST_S = 2.0
"""What a request gets at least, however little time is left: each backend is tried once."""
AGAIN_S = 2.0
"""The longest pause between attempts while somebody waits for them."""
SOON_S = 0.3
"""The pause while somebody waits for spans that a backend has taken and not stored yet."""
STORING_S = 30.0
"""How long a sweep waits for such spans, to push what is said of them."""


def send_all(
    home: Home,
    env: Mapping[str, str],
    until: float,
    *,
    wait: bool,
    only: Optional[str] = None,
    verify: bool = False,
) -> FlushResult:
    """Deliver what waits to every backend whose credentials are at hand.

    Each is tried at least once, and with `wait` until nothing is left or the time `until`
    (monotonic, s) has come. `only` is a destination's name, kind or endpoint. With `verify`
    what was sent is read back where that is possible. Says what is left and why; raises
    ConfigError when `only` names nothing.
    """
    if not _anything_open(home) and only is None:
        return FlushResult()
    settings = everybodys(home, env)
    known = destinations_of(settings)
    with Store.open(home.store) as store:
        queues = _chosen(store.outbox.queues(), known, only)
        accounts = {queue.account.name for queue in queues if queue.waiting or queue.sent}
        accounts |= {target.account for target in store.pushes.queues()}
        ours = [each for each in known if each.target.account in accounts]
        problems = _in_parallel(home, ours, until, wait=wait, verify=verify)
        queues = _chosen(store.outbox.queues(), known, only)
        pushes = store.pushes.queues()
    result = FlushResult()
    credentials = {each.target.account for each in known}
    takers = {each.target.account for each in known if each.annotations}
    dry_run = any(each.dry_run for each in settings)
    for queue in queues:
        has_credentials = queue.account.name in credentials
        problem = problems.get(queue.account.name)
        if dry_run and not has_credentials:
            has_credentials, problem = True, DRY_RUN
        result += _left(queue, has_credentials, problem, verify=verify)
        if queue.account.name in takers and queue.target in pushes:
            result += _unpushed(queue, pushes[queue.target], problem)
    return result


def outbox_is_due(home: Home, env: Mapping[str, str]) -> bool:
    """Whether something waits that a process with this environment could deliver now."""
    now_ns = time.time_ns()
    with suppress(NoStoreError), Store.open(home.store, readonly=True) as store:
        due = {each.name for each in store.outbox.accounts("waiting") if each.is_due(now_ns)}
        for account in store.outbox.accounts("sent"):
            if store.outbox.unverified(account, now_ns - READ_BACK_NS) is not None:
                due.add(account.name)
        pushes = _pushes_due(store, now_ns)
        if not due and not pushes:
            return False
        return any(
            each.target.account in due or (each.annotations and each.target.account in pushes)
            for each in destinations(home, env)
        )
    return False


def _anything_open(home: Home) -> bool:
    """Whether the outbox holds anything that is not done with; looks without disturbing anyone."""
    with suppress(NoStoreError), Store.open(home.store, readonly=True) as store:
        open_rows = any(store.outbox.accounts(state) for state in ("waiting", "sent", "dead"))
        return open_rows or store.pushes.any_open()
    return False


def _pushes_due(store: Store, now_ns: int) -> set[tuple[str, str, str]]:
    """The backends to which annotations could be pushed now."""
    if not store.pushes.any_open():
        return set()
    found = set()
    for account in store.outbox.accounts():
        hold = store.pushes.hold(account)
        is_due = account.is_due(now_ns) and (hold is None or hold.is_over(now_ns))
        if is_due and store.pushes.due(account, now_ns):
            found.add(account.name)
    return found


def send_due(home: Home, env: Mapping[str, str], until: float) -> None:
    """One attempt for each backend that may be tried now, and what is due to be read back."""
    if not _anything_open(home):
        return
    log = logging.getLogger("harness_tracing")
    for destination in destinations(home, env):
        with Courier.opened(home, destination, log) as courier:
            _send_due(courier, until)


def _send_due(courier: Courier, until: float) -> None:
    while time.monotonic() < until:
        done = courier.send()
        if done.wait_s == 0.0:
            continue
        with suppress(CannotTellError):
            if courier.read_back():
                continue
        break
    until = min(until, time.monotonic() + STORING_S)
    while time.monotonic() < until:
        pushed = courier.pusher.push()
        if pushed.lasting or pushed.wait_s is None:
            return
        time.sleep(min(pushed.wait_s, AGAIN_S))


def _chosen(
    queues: Sequence[Queue], known: Sequence[Destination], only: Optional[str]
) -> list[Queue]:
    if only is None:
        return list(queues)
    named = {each.target.account for each in known if each.name == only}
    found = [
        queue
        for queue in queues
        if queue.account.name in named or only in (queue.target.kind, queue.target.endpoint)
    ]
    if not found and not named:
        names = sorted({each.name for each in known} | {queue.target.kind for queue in queues})
        there_are = ", ".join(names) if names else "none"
        raise ConfigError(f"no destination is called {only!r}; there are: {there_are}")
    return found


def _in_parallel(
    home: Home, known: Sequence[Destination], until: float, *, wait: bool, verify: bool
) -> dict[tuple[str, str, str], str]:
    """Deliver to each on a thread of its own; what kept reading back from being whole."""
    problems: dict[tuple[str, str, str], str] = {}

    log = logging.getLogger("harness_tracing")

    def run(destination: Destination) -> None:
        try:
            with Courier.opened(home, destination, log) as courier:
                _until_empty(courier, until, wait)
                try:
                    if verify:
                        _confirm(courier, until, wait)
                finally:
                    _until_pushed(courier, until, wait)
        except TracerError as error:
            problems[destination.target.account] = str(error)

    threads = [threading.Thread(target=run, args=(each,), daemon=True) for each in known]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def _until_empty(courier: Courier, until: float, wait: bool) -> None:
    while True:
        timeout_s = max(SHORTEST_S, until - time.monotonic())
        done = courier.send(anyway=True, timeout_s=min(timeout_s, courier.destination.timeout_s))
        remaining_s = until - time.monotonic()
        if done.wait_s == 0.0 and remaining_s > 0:
            continue
        if done.wait_s is None:
            # Nothing to take on: nothing waits, or another process has it in hand.
            if not (wait and remaining_s > 0 and courier.has_waiting()):
                return
            time.sleep(min(0.1, remaining_s))
        elif done.lasting or not wait or remaining_s <= 0:
            return
        else:
            pause_s = max(done.asked_s, min(done.wait_s, AGAIN_S))
            time.sleep(min(pause_s, remaining_s))


def _until_pushed(courier: Courier, until: float, wait: bool) -> None:
    """Push what is said of spans that are there; whoever waits gives them time to be stored."""
    account = courier.account()
    if account is None or (account.failures and courier.has_waiting()):
        return
    while True:
        timeout_s = max(SHORTEST_S, until - time.monotonic())
        done = courier.pusher.push(
            anyway=True, timeout_s=min(timeout_s, courier.destination.timeout_s)
        )
        remaining_s = max(0.0, until - time.monotonic())
        if done.wait_s is None or done.lasting or done.wait_s > remaining_s:
            return
        if done.wait_s == 0.0 and not done.error and remaining_s:
            continue
        if not wait or not remaining_s:
            return
        time.sleep(min(remaining_s, max(SOON_S, min(done.wait_s, AGAIN_S))))


def _confirm(courier: Courier, until: float, wait: bool) -> None:
    """Read back what was sent, and send again what is not there, while there is time."""
    while True:
        patience_s = min(CONFIRM_S, max(0.0, until - time.monotonic()))
        lost = courier.read_back(sent_before_ns=time.time_ns(), patience_s=patience_s)
        if not lost or time.monotonic() > until:
            return
        _until_empty(courier, until, wait)


def _unpushed(queue: Queue, pushes: PushQueue, problem: Optional[str]) -> FlushResult:
    title, result = queue.target.title, FlushResult()
    if pushes.waiting:
        why = pushes.error or problem or queue.account.last_error or "they are not pushed yet"
        text = PUSHES_WAIT.format(annotations=pushes.waiting, title=title, why=why)
        result += FlushResult(pushes.waiting, (text,))
    if pushes.dead:
        text = PUSHES_DEAD.format(annotations=pushes.dead, title=title, why=pushes.dead_reason)
        result += FlushResult(0, (text,))
    return result


def _left(
    queue: Queue, has_credentials: bool, problem: Optional[str], *, verify: bool
) -> FlushResult:
    title, result = queue.target.title, FlushResult()
    if queue.waiting and not has_credentials:
        give = GIVE[queue.target.kind]
        text = NO_CREDENTIALS.format(
            turns=queue.waiting_turns, title=title, give=give, endpoint=queue.target.endpoint
        )
        result += FlushResult(queue.waiting, (text,))
    elif queue.waiting:
        why = problem or queue.account.last_error or "it is not sent yet"
        text = WAITS.format(spans=queue.waiting, turns=queue.waiting_turns, title=title, why=why)
        result += FlushResult(queue.waiting, (text,))
    if queue.dead:
        text = DEAD.format(spans=queue.dead, title=title, why=queue.dead_reason)
        result += FlushResult(queue.dead, (text,))
    if verify and queue.sent and has_credentials:
        why = problem or "there was no time for it"
        text = UNCONFIRMED.format(spans=queue.sent, title=title, why=why)
        result += FlushResult(queue.sent, (text,))
    return result
