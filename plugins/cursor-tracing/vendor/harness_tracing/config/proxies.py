"""Which proxy the usual variables name for an endpoint."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from harness_tracing.config.endpoints import Endpoint

EXCEPTIONS = ("no_proxy", "NO_PROXY")
_HTTPS = ("https_proxy", "HTTPS_PROXY")
_HTTP = ("http_proxy", "HTTP_PROXY")
_ALL = ("all_proxy", "ALL_PROXY")
VARIABLES = frozenset((*_HTTPS, *_HTTP, *_ALL, *EXCEPTIONS))


def variables(endpoint: Endpoint) -> tuple[str, ...]:
    """The variables that may name its proxy, the first one that is set counts."""
    return (*(_HTTPS if endpoint.tls else _HTTP), *_ALL)


def proxy_url(text: str) -> str:
    """The proxy's URL as it was meant; ValueError without what was written."""
    text = text.strip()
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and bool(re.fullmatch(r"[!-~]+", url))
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("http://host:port")
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError("an HTTP proxy, http://host:port; others are not supported")
    return url


def excepted(endpoint: Endpoint, no_proxy: str) -> bool:
    """Whether `no_proxy` says that the endpoint is reached directly.

    Its entries are host names, which stand for everything below them as well, IP addresses or
    networks, each with a port or without, or ``*``.
    """
    return any(_covers(entry.strip().lower(), endpoint) for entry in no_proxy.split(","))


def _covers(entry: str, endpoint: Endpoint) -> bool:
    if entry == "*":
        return True
    host = endpoint.host.strip("[]")
    if "/" in entry:
        return _in_network(host, entry)
    if entry.count(":") <= 1 or entry.startswith("["):
        entry, port = _split_port(entry)
        if port and port != str(endpoint.port):
            return False
    name = entry.strip("[]").removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        address, _, rest = entry.partition("]")
        return address, rest.lstrip(":")
    name, _, port = entry.partition(":")
    return name, port


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
