"""Endpoints: what a user writes for one, and the one form of it that stays the same.

The URL made here names a destination in the outbox, so two ways to write one endpoint have to
give one URL, and nothing secret may be left in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Optional
from urllib.parse import unquote, urlsplit

from harness_tracing.destinations import Kind, Protocol

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_SCHEMES: dict[str, tuple[Protocol, bool]] = {
    "http": ("http", False),
    "https": ("http", True),
    "grpc": ("grpc", False),
    "grpcs": ("grpc", True),
}
_GRPC_PORT = 4317
_TRACES = "/v1/traces"
_LOOPBACK = re.compile(r"localhost|.*\.localhost|127(\.[0-9]{1,3}){3}|\[::1\]")


@dataclass(frozen=True)
class Endpoint:
    """Where requests go. `host` is in lower case, IPv6 in brackets; `path` is empty for gRPC.

    `user` and `password` stood in the URL; `url` never holds them.
    """

    protocol: Protocol
    tls: bool
    host: str
    port: int
    path: str = ""
    user: Optional[str] = field(default=None, repr=False)
    password: Optional[str] = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The whole URL; with HTTP without a port that the scheme implies."""
        scheme = "https" if self.tls else "http"
        implied = self.protocol == "http" and self.port == (443 if self.tls else 80)
        return f"{scheme}://{self.host}{'' if implied else f':{self.port}'}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        return _LOOPBACK.fullmatch(self.host) is not None

    @property
    def server(self) -> tuple[str, int, str]:
        """What runs there: host, port and path; the names of this machine count as one."""
        return "localhost" if self.is_loopback else self.host, self.port, self.path


def parse(
    text: str,
    kind: Kind,
    protocol: Optional[Protocol] = None,
    *,
    whole: bool = False,
    insecure: bool = False,
) -> Endpoint:
    """The endpoint that a user wrote.

    A URL with ``http(s)`` speaks HTTP unless `protocol` says gRPC; ``grpc(s)://`` and a bare
    ``host:port`` speak gRPC, the latter with TLS unless it is on this machine or `insecure`.
    The path of the traces signal is added where it is missing, unless the URL is the `whole` of
    it. Raises ValueError, saying what an endpoint may be and never what was written.
    """
    scheme, rest = _split_scheme(text)
    speaks, tls = _SCHEMES.get(scheme, ("grpc", not insecure))
    if scheme in ("", "grpc", "grpcs") and protocol == "http":
        raise ValueError("a URL that begins with http:// or https://, as its protocol is HTTP")
    endpoint = _parsed(rest, protocol or speaks, tls, bare=not scheme)
    if not scheme and endpoint.is_loopback:
        endpoint = replace(endpoint, tls=False)
    if endpoint.protocol == "grpc":
        if endpoint.path not in ("", "/v1", _TRACES):
            raise ValueError("host:port or a URL without a path, as its protocol is gRPC")
        return replace(endpoint, path="")
    return endpoint if whole else replace(endpoint, path=_traces_path(endpoint.path, kind))


def _split_scheme(text: str) -> tuple[str, str]:
    """The scheme in lower case, empty without one, and what follows it."""
    found = _SCHEME.match(text)
    if found is None:
        return "", text
    scheme = found[1].lower()
    if scheme not in _SCHEMES:
        raise ValueError("a URL with http, https, grpc or grpcs, or host:port for gRPC")
    return scheme, text[found.end() :]


def _parsed(rest: str, protocol: Protocol, tls: bool, bare: bool) -> Endpoint:
    what = ValueError("https://host[:port][/path], or host:port for gRPC")
    if not rest.isascii():
        raise ValueError("a URL of ASCII characters; write other host names in punycode")
    if not _PRINTABLE.fullmatch(rest) or "\\" in rest:
        raise what
    if "?" in rest or "#" in rest:
        raise ValueError("a URL without ? and #; what identifies you goes into headers")
    try:
        parts = urlsplit("//" + rest)
        host, port = parts.hostname or "", parts.port
        host = f"[{_ipv6(host)}]" if ":" in host else host
    except ValueError:
        raise what from None
    if not host.startswith("[") and not _HOST.fullmatch(host):
        raise what
    if (bare and (port is None or parts.path)) or port == 0 or not _is_plain(parts.path):
        raise what
    return Endpoint(
        protocol,
        tls,
        host,
        port or (443 if tls else 80 if protocol == "http" else _GRPC_PORT),
        parts.path.rstrip("/"),
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _ipv6(host: str) -> str:
    import ipaddress

    return ipaddress.IPv6Address(host).compressed


def _is_plain(path: str) -> bool:
    """Whether every client reads the path the same way."""
    return bool(_PATH.fullmatch(path)) and not {".", ".."} & set(path.split("/"))


def _traces_path(path: str, kind: Kind) -> str:
    """The path with the traces signal's at its end.

    For OTLP the OpenTelemetry specification says what a base URL is: it is added to any path.
    """
    if path.endswith(_TRACES):
        return path
    return path + ("/traces" if kind != "otlp" and path.endswith("/v1") else _TRACES)
