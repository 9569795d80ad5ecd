"""Checks of where turns are sent: credentials, how each backend answered, whether it is there."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Optional
from urllib.parse import urlsplit

from harness_tracing.destinations import Destination
from harness_tracing.doctor import Finding, Place
from harness_tracing.observe.deliveries import Delivery, deliveries
from harness_tracing.observe.text import duration, plural
from harness_tracing.setup.probe import Checked, ask
from harness_tracing.store import Store

CONNECT_S = 5.0
"""How long a backend may take until a connection stands."""
ANSWER_S = 5.0
"""How long a backend may take to answer."""
_GIVE = {
    "ax": "set ARIZE_API_KEY and ARIZE_SPACE_ID, or write them into config.yaml",
    "phoenix": "set PHOENIX_ENDPOINT, and PHOENIX_API_KEY where it wants one",
    "otlp": "set OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS",
}


def rows_of(place: Place) -> list[Delivery]:
    """Every destination: those that are configured, and those for which rows are there."""
    if not place.home.store.exists():
        return deliveries([], place.destinations)
    with Store.open(place.home.store) as store:
        queues, pushes = store.outbox.queues(), store.pushes.queues()
    return deliveries(queues, place.destinations, pushes)


def check_destinations(place: Place) -> Iterator[Finding]:
    """Whether each destination has credentials, takes what it is sent, and holds nothing up."""
    rows = rows_of(place)
    if not rows:
        yield Finding("destinations", True, "none: sessions stay on this machine")
    for row in rows:
        problems = list(_problems(place, row))
        yield from problems
        if not problems:
            counts = f", {plural(row.waiting, 'span')} on their way" if row.waiting else ""
            yield Finding(_subject(row), True, f"project {row.target.project}{counts}")


def _subject(row: Delivery) -> str:
    return f"{row.name} ({row.target.endpoint}, {row.target.project})"


def _problems(place: Place, row: Delivery) -> Iterator[Finding]:
    subject, account = _subject(row), row.account
    if not row.ready and not row.paused and (row.known or row.waiting):
        held = f"; {plural(row.waiting_turns, 'turn')} wait for them" if row.waiting else ""
        dropping = f", or give them up: `harness outbox drop --destination {row.target.endpoint}`"
        yield Finding(
            subject,
            False,
            f"no credentials are at hand here{held}",
            _GIVE[row.target.kind] + (dropping if row.waiting else ""),
        )
    if row.paused:
        yield Finding(
            subject,
            False,
            f"paused: it refused the credentials ({row.reason})",
            f"{_GIVE[row.target.kind]}; sending goes on by itself with others, or at once with"
            " `harness outbox retry`",
        )
    elif account is not None and account.failures and row.waiting:
        since = account.failing_since_ns
        ago = f" for {duration(place.now_ns - since)}" if since is not None else ""
        turns = plural(row.waiting_turns, "turn")
        yield Finding(
            subject,
            False,
            f"{turns} wait, it has failed{ago}: {row.reason}",
            "start or correct the backend; it is tried again by itself, and at once with"
            " `harness flush --wait`",
        )
    if row.dead:
        yield Finding(
            subject,
            False,
            f"it would not take {plural(row.dead, 'span')}: {row.dead_reason}",
            "`harness outbox retry` sends them again, `harness outbox drop --dead-only` gives"
            " them up",
        )
    yield from _problems_of_annotations(row)


def _problems_of_annotations(row: Delivery) -> Iterator[Finding]:
    if row.annotations_waiting and row.annotations_reason and row.ready and not row.paused:
        yield Finding(
            _subject(row),
            False,
            f"{plural(row.annotations_waiting, 'annotation')} waiting: {row.annotations_reason}",
            "give the key the right to write annotations; it is tried again by itself with others,"
            " or at once with `harness outbox retry`"
            if row.annotations_paused
            else "they are tried again by themselves, and at once with `harness flush --wait`;"
            " `annotations: false` in config.yaml keeps them here",
        )
    if row.annotations_dead:
        yield Finding(
            _subject(row),
            False,
            f"it would not take {plural(row.annotations_dead, 'annotation')}:"
            f" {row.annotations_dead_reason}",
            "`harness outbox retry` pushes them again; `harness annotate` may correct them",
        )


# -- whether anybody is there


def check_reachable(place: Place) -> Iterator[Finding]:
    """Whether a connection to each backend comes to stand, TLS included, and the key is taken.

    It is asked with a request that holds no span; in a dry run not even that.
    """
    found: dict[tuple[str, str, str], Destination] = {}
    for settings in place.settings.values():
        for each in settings.destinations:
            found.setdefault(each.target.account, each)
    asks = not any(settings.dry_run for settings in place.settings.values())
    attempts = [_Attempt(destination, asks) for destination in found.values()]
    for attempt in attempts:
        attempt.thread.start()
    for attempt in attempts:
        # Looking up a name knows no time limit of its own.
        attempt.thread.join(2 * CONNECT_S + 2 * ANSWER_S)
        yield from attempt.findings()


class _Attempt:
    """A connection to one backend, tried on a thread of its own."""

    def __init__(self, destination: Destination, asks: bool) -> None:
        self._destination, self._asks = destination, asks
        self._answer: Optional[Checked] = None
        self._problem: Optional[str] = f"no answer within {2 * CONNECT_S:g} s"
        proxy = urlsplit(destination.proxy) if destination.proxy else None
        where = proxy or urlsplit(destination.target.endpoint)
        implied = 443 if where.scheme == "https" else 80
        self._is_proxy, self._tls = proxy is not None, where.scheme == "https"
        self._host, self._port = where.hostname or "", where.port or implied
        self.thread = threading.Thread(target=self._run, name="doctor", daemon=True)

    def _run(self) -> None:
        try:
            address = (self._host, self._port)
            with socket.create_connection(address, timeout=CONNECT_S) as line:
                if self._tls:
                    self._context().wrap_socket(line, server_hostname=self._host).close()
        except ssl.SSLCertVerificationError as error:
            self._problem = f"its certificate is not trusted ({error.verify_message})"
        except ssl.SSLError as error:
            self._problem = f"no TLS could be agreed on ({error.reason or error})"
        except TimeoutError:
            self._problem = f"no connection within {CONNECT_S:g} s"
        except socket.timeout:  # another class until Python 3.10
            self._problem = f"no connection within {CONNECT_S:g} s"
        except (OSError, ValueError) as error:
            self._problem = getattr(error, "strerror", None) or str(error)
        else:
            if self._asks:
                self._answer = ask(self._destination, ANSWER_S)
            self._problem = None

    def _context(self) -> ssl.SSLContext:
        from harness_tracing.export.trust import authorities

        # Not ssl's default context: newer Pythons refuse there what the sender accepts.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        pem = authorities(self._destination.certificate).decode("ascii", "replace")
        context.load_verify_locations(cadata=pem)
        return context

    def findings(self) -> Iterator[Finding]:
        """What came of it."""
        yield self._connected()
        answer = self._answer
        if answer is not None:
            target = self._destination.target
            remedy = f"is the endpoint right, and the key? {_GIVE[target.kind]}"
            yield Finding(target.title, answer.ok, answer.message, "" if answer.ok else remedy)

    def _connected(self) -> Finding:
        who = "its proxy" if self._is_proxy else "it"
        where = f"{self._host}:{self._port}"
        title = self._destination.target.title
        if self._problem is None:
            return Finding(title, True, f"{who} answers at {where}")
        remedy = "is it running, is the address right, is a proxy or firewall in between?"
        if "certificate" in self._problem:
            from harness_tracing.export.trust import OWN_AUTHORITY

            remedy = OWN_AUTHORITY
        return Finding(title, False, f"{who} cannot be reached at {where}: {self._problem}", remedy)
