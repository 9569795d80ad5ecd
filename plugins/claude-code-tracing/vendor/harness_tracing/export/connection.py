"""One connection to an HTTP endpoint: asks once, waits no longer than told, follows nobody.

Uses requests, which makes its import slow: only a process that sends loads this module.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from http.client import BadStatusLine
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Optional, Union

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from harness_tracing.destinations import Destination
from harness_tracing.export.outcome import Outcome, Verdict
from harness_tracing.export.reasons import Reasons, unusable_header
from harness_tracing.export.trust import OWN_AUTHORITY, authorities

ANSWER_BYTES = 1 << 20
CONNECT_TIMEOUT_S = 5.0
_SHORTEST_TIMEOUT_S = 0.01
_PIECE_BYTES = 1 << 18
# The first that fits counts; what fits none is a bug of ours.
_TROUBLES: tuple[tuple[Any, Verdict, str], ...] = (
    (requests.exceptions.ProxyError, "temporary", "the proxy cannot be reached"),
    (requests.exceptions.ConnectTimeout, "temporary", "no connection in time"),
    (requests.exceptions.ReadTimeout, "temporary", "no answer in time"),
    (urllib3.exceptions.TimeoutError, "temporary", "no whole answer in time"),
    (requests.exceptions.InvalidSchema, "misdirected", "its URL or its proxy's is not supported"),
    (requests.exceptions.InvalidURL, "misdirected", "its URL or its proxy's is wrong"),
    (urllib3.exceptions.LocationParseError, "misdirected", "its URL or its proxy's is wrong"),
    (requests.RequestException, "temporary", "no answer"),
    (urllib3.exceptions.HTTPError, "temporary", "no whole answer"),
    (OSError, "temporary", "no answer"),
)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})([^'\"]*)")


@dataclass(frozen=True)
class Answer:
    """What a server answered. `cut` says that there was more of the body than was read."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


class Connection:
    """Asks one destination over a connection that is kept open between requests.

    Proxy, certificates, headers and time limit are the destination's; nothing comes from the
    environment (proxies, .netrc, certificate variables), no redirect is followed, no cookie is
    kept. Not for several threads at once. Usable after a fork: the child opens its own.
    """

    def __init__(self, destination: Destination, *, version: str) -> None:
        self._destination = destination
        self._headers = {
            "User-Agent": f"coding-harness-tracing/{version}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        self._wire: Optional[_Wire] = None
        self._owner = 0
        self.reasons = Reasons(destination)

    def ask(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        headers: Optional[Mapping[str, str]] = None,
        body: Optional[bytes] = None,
        most_bytes: int = ANSWER_BYTES,
    ) -> Union[Answer, Outcome]:
        """Send one request; the answer, or why there is none. Never raises for the network.

        `timeout_s` bounds everything from looking up the name to the answer's last byte,
        however slowly it comes; `most_bytes` is how much of it is read.
        """
        timeout_s = max(timeout_s, _SHORTEST_TIMEOUT_S)
        bad = unusable_header(self._destination)
        if bad:
            return self._outcome("refused", f"{bad} cannot be sent; set it again")
        try:
            wire = self._current_wire()
        except (OSError, ValueError) as error:
            file = self._destination.certificate
            what = f"the certificate file {file} cannot be used; {OWN_AUTHORITY}"
            return self._outcome("temporary", what, str(error))
        all_headers = {**self._headers, **self._destination.headers, **(headers or {})}
        asked = _Asked(method, url, all_headers, body, timeout_s, most_bytes)
        answered: Future[Answer] = Future()
        # A thread, since looking up a name and reading headers know no time limit in all.
        threading.Thread(
            target=_run,
            args=(answered, wire, asked),
            name="otlp-request",
            daemon=True,
        ).start()
        in_time = False
        try:
            in_time = bool(wait([answered], timeout_s).done)
        finally:
            if not in_time or answered.exception() is not None:
                self._drop()
        # What comes of cutting the line is not looked at: half an answer can seem a whole one.
        if not in_time:
            return self._outcome("temporary", f"no whole answer within {timeout_s:g} s")
        error_or_none = answered.exception()
        return answered.result() if error_or_none is None else self._trouble(error_or_none)

    def close(self) -> None:
        """Hang up. The next request opens a new connection."""
        self._drop()

    def _current_wire(self) -> _Wire:
        if self._wire is None or self._owner != os.getpid():
            self._wire = _Wire(self._destination)
            self._owner = os.getpid()
        return self._wire

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None and self._owner == os.getpid():
            wire.cut()

    def _outcome(self, verdict: Verdict, what: str, quoted: str = "") -> Outcome:
        return Outcome(verdict, self.reasons.say(what, quoted))

    def _trouble(self, error: BaseException) -> Outcome:
        """What it means that `error` came instead of an answer; raises what is a bug of ours."""
        causes = list(_causes(error))
        known = self._trouble_on_the_way(causes)
        if known is not None:
            return known
        for errors, verdict, what in _TROUBLES:
            if isinstance(error, errors):
                return self._outcome(verdict, what, _innermost(causes))
        raise error

    def _trouble_on_the_way(self, causes: list[BaseException]) -> Optional[Outcome]:
        """Trouble that lies deeper than requests' own errors tell: TLS, names, tunnels."""
        for cause in causes:
            tunnel = _TUNNEL.search(str(cause))
            if tunnel:
                return self._tunnel_outcome(int(tunnel[1]), tunnel[2])
            if isinstance(cause, ssl.SSLCertVerificationError):
                what = f"its certificate is not trusted ({cause.verify_message}); {OWN_AUTHORITY}"
                return self._outcome("temporary", what)
        for cause in causes:
            if isinstance(cause, ssl.SSLError):
                what = f"no TLS could be agreed on; does it speak any? {OWN_AUTHORITY}"
                return self._outcome("temporary", what, str(cause.reason or cause))
            if isinstance(cause, BadStatusLine) and not isinstance(cause, ConnectionError):
                what = "does not answer as HTTP does (is it a port for gRPC?)"
                return self._outcome("misdirected", what)
            if isinstance(cause, socket.gaierror):
                return self._outcome("temporary", "the host's name cannot be looked up", str(cause))
        return None

    def _tunnel_outcome(self, status: int, reason: str) -> Outcome:
        what = f"the proxy refuses the way there with {status}"
        if status == 407:
            what += " (it wants a user and a password, or others)"
        return self._outcome("misdirected" if status < 500 else "temporary", what, reason)


class _Wire:
    """A session of requests whose connection another thread can cut."""

    def __init__(self, destination: Destination) -> None:
        self._lock = threading.Lock()
        self._is_cut = False
        self._connection: Any = None
        self._socket: Optional[socket.socket] = None
        session = requests.Session()
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if destination.proxy:
            session.proxies = {"http": destination.proxy, "https": destination.proxy}
        encrypted = any(
            url.startswith("https:")
            for url in (destination.target.endpoint, destination.proxy or "")
        )
        adapter = _Adapter(self, _tls(destination) if encrypted else None)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        self.session = session

    def connecting(self, connection: Any) -> None:
        self._connection = connection

    def connected(self, connection: Any) -> None:
        with self._lock:
            self._socket = connection.sock
            if self._is_cut:
                self._shut()
                raise ConnectionAbortedError("the time was over")

    def cut(self) -> None:
        """End whatever is under way, at once, and everything after it."""
        with self._lock:
            self._is_cut = True
            self._shut()
        self.session.close()

    def _shut(self) -> None:
        for line in (self._socket, getattr(self._connection, "sock", None)):
            if line is not None:
                with suppress(OSError):
                    # Not SSLSocket's own: it takes the TLS state from under the reading thread.
                    socket.socket.shutdown(line, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Connects with our TLS settings and tells the wire of each connection it makes."""

    def __init__(self, wire: _Wire, context: Optional[ssl.SSLContext]) -> None:
        self._wire = wire
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self._observe(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        context = self._context
        manager = super().proxy_manager_for(
            proxy, ssl_context=context, proxy_ssl_context=context, **kwargs
        )
        if not known:
            self._observe(manager)
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # The context knows whom to trust; requests would load its own bundle on top of it.
        return None

    def _observe(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            "http": _observed(HTTPConnectionPool, self._wire),
            "https": _observed(HTTPSConnectionPool, self._wire),
        }


def _observed(pool: Any, wire: _Wire) -> Any:
    class ObservedConnection(pool.ConnectionCls):  # type: ignore[misc]
        def connect(self) -> None:
            wire.connecting(self)
            super().connect()
            wire.connected(self)

    return type("ObservedPool", (pool,), {"ConnectionCls": ObservedConnection})


def _tls(destination: Destination) -> ssl.SSLContext:
    context = create_urllib3_context()
    # Python 3.13 would refuse authorities of companies that every other client accepts.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authorities(destination.certificate).decode("ascii"))
    return context


@dataclass(frozen=True)
class _Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    body: Optional[bytes]
    timeout_s: float
    most_bytes: int


def _run(answered: Future[Answer], wire: _Wire, asked: _Asked) -> None:
    try:
        answered.set_result(_exchange(wire.session, asked))
    except BaseException as error:  # handed to the thread that waits, which raises what it must
        answered.set_exception(error)


def _exchange(session: requests.Session, asked: _Asked) -> Answer:
    with session.request(
        asked.method,
        asked.url,
        data=asked.body,
        headers=asked.headers,
        timeout=(min(CONNECT_TIMEOUT_S, asked.timeout_s), asked.timeout_s),
        allow_redirects=False,
        stream=True,
    ) as response:
        pieces, size = [], 0
        # Read to its end: only there it shows whether the whole body came.
        while size <= asked.most_bytes:
            more = asked.most_bytes + 1 - size
            piece = response.raw.read(min(more, _PIECE_BYTES), decode_content=False)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        cut = size > asked.most_bytes
        if cut:
            response.raw.close()  # what is left of it must not be taken for the next answer
        body = b"".join(pieces)[: asked.most_bytes]
        return Answer(response.status_code, response.reason or "", response.headers, body, cut)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it was raised for, outermost first."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [getattr(cause, "reason", None), *cause.args]
        waiting += [*inner, cause.__cause__, cause.__context__]


def _innermost(causes: list[BaseException]) -> str:
    """What the system said, without the names of classes and objects around it."""
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    for cause in reversed(causes):
        if isinstance(cause, ConnectionError) and str(cause):
            return str(cause)
    return type(causes[-1]).__name__
