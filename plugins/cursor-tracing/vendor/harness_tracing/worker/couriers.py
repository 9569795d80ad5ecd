"""A worker's deliveries: one thread per backend, so that a dead one holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from harness_tracing.destinations import Destination
from harness_tracing.errors import TracerError
from harness_tracing.export.readback import CannotTellError
from harness_tracing.paths import Home
from harness_tracing.store import Account, Store
from harness_tracing.worker.delivery import Courier

PATIENCE_NS = 900 * 10**9
"""How long a worker stays for a backend that fails; after that others try it now and then."""
LOOK_S = 5.0
"""How often rows are looked for that other processes wrote."""
LEAVE_S = 15.0
"""How long a request under way is waited for when the worker leaves."""


@dataclass(frozen=True)
class _Route:
    """One backend and the thread that delivers to it."""

    destination: Destination
    thread: threading.Thread
    wake: threading.Event

    @property
    def takes(self) -> bool:
        """Whether annotations go there."""
        return self.destination.annotations


class Couriers:
    """Delivers in the background whatever waits for these destinations, whosever it is."""

    def __init__(
        self, home: Home, destinations: Sequence[Destination], log: logging.Logger
    ) -> None:
        self._home, self._log = home, log
        self._stopping = threading.Event()
        self._routes: list[_Route] = []
        for destination in destinations:
            wake = threading.Event()
            thread = threading.Thread(
                target=self._run,
                args=(destination, wake),
                name=f"courier {destination.name}",
                daemon=True,
            )
            self._routes.append(_Route(destination, thread, wake))

    def start(self) -> None:
        """Begin with what waits already."""
        for route in self._routes:
            route.thread.start()

    def wake(self) -> None:
        """Something new waits."""
        for route in self._routes:
            route.wake.set()

    def stop(self) -> None:
        """Let requests under way end, and nothing new begin. What was not sent waits."""
        self._stopping.set()
        self.wake()
        until = time.monotonic() + LEAVE_S
        for route in self._routes:
            if route.thread.is_alive():
                route.thread.join(max(0.0, until - time.monotonic()))

    def idle(self, store: Store, now_ns: int, *, patient: bool) -> bool:
        """Whether nothing waits that we could deliver.

        What waits for a backend that refused us, or, unless `patient`, has failed for long,
        does not count. Nor do annotations that were written long ago, and, if `patient`, any:
        nobody is kept waiting for those.
        """
        ours = {route.destination.target.account for route in self._routes}
        waiting = [each for each in store.outbox.accounts("waiting") if each.name in ours]
        if not all(self._is_hopeless(account, now_ns, patient) for account in waiting):
            return False
        takers = {each.destination.target.account for each in self._routes if each.takes}
        return patient or not store.pushes.is_waiting(takers, now_ns - PATIENCE_NS)

    @staticmethod
    def _is_hopeless(account: Account, now_ns: int, patient: bool) -> bool:
        if account.paused_by is not None:
            return True
        since_ns = account.failing_since_ns
        return not patient and since_ns is not None and now_ns - since_ns > PATIENCE_NS

    def _run(self, destination: Destination, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                with Courier.opened(self._home, destination, self._log) as courier:
                    self._deliver(courier, wake)
            except TracerError as error:
                self._log.error("delivery to %s: %s", destination.name, error)
            except Exception:
                # The edge of a thread: nobody else would say it, and rows only wait.
                self._log.exception("delivery to %s stopped; it begins anew", destination.name)
            self._stopping.wait(LOOK_S)

    def _deliver(self, courier: Courier, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            wake.clear()
            done = courier.send()
            if done.wait_s == 0.0:
                continue
            with suppress(CannotTellError):
                if courier.read_back():
                    continue
            pushed = courier.pusher.push()
            if pushed.wait_s != 0.0:
                wake.wait(_pause_s(done.wait_s, pushed.wait_s))


def _pause_s(*waits: Optional[float]) -> float:
    return min([LOOK_S, *(each for each in waits if each is not None)])
