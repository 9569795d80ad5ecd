"""Where turns are sent: each destination from config.yaml and the variables of its name.

Whom to trust. A project's files say nothing here. What they hide of the user's own words is not
guessed: without the endpoint the destination is left out, without credentials it waits. A key
goes to an endpoint of the same level, to one in a file of the user's, or to the vendor's; a key
from a file goes nowhere that only the environment names, as a cloned folder may set that too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from harness_tracing.config import proxies
from harness_tracing.config.endpoints import Endpoint, parse
from harness_tracing.config.fields import (
    CONTENT,
    Asked,
    LeftOutError,
    Told,
    WaitsError,
    variables_of,
)
from harness_tracing.config.file import group, unknown_in
from harness_tracing.config.headers import basic
from harness_tracing.config.layers import Layers
from harness_tracing.config.settings import Origin, Source
from harness_tracing.destinations import Destination, Shape, Target
from harness_tracing.errors import ConfigError

_AX_ENDPOINT = "https://otlp.arize.com/v1"
_VENDOR = ".arize.com"
_PLACE = ("endpoint", "protocol", "space_id")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_BY_VARIABLES = ("ax", "phoenix", "otlp")


@dataclass(frozen=True)
class Resolved:
    """The destinations that can be sent to, those that cannot yet, and whose words they are."""

    ready: tuple[Destination, ...]
    incomplete: tuple[Target, ...]
    origins: Mapping[str, Origin]


@dataclass(frozen=True)
class _Found:
    """A destination as far as it could be resolved; `waits` says why it cannot be sent to."""

    asked: Asked
    destination: Destination
    endpoint: Endpoint
    told: Mapping[str, Told]
    waits: Optional[str] = None

    @property
    def of_config(self) -> bool:
        """Whether config.yaml alone says where it is."""
        said = [self.told[key] for key in _PLACE if key in self.told]
        return all(each.origin.source in (Source.CONFIG, Source.DEFAULT) for each in said)


def variables() -> frozenset[str]:
    """The variables that say where turns are sent, and how to get there."""
    by_field = (each for name in _BY_VARIABLES for each in variables_of(name).values())
    return frozenset(name for names in by_field for name in names) | proxies.VARIABLES


def resolve(layers: Layers, project: str, shape: Shape) -> Resolved:
    """The destinations of a session in `project`, for which `shape` is the default.

    What is wrong in config.yaml is a ConfigError; what is wrong with a variable is a warning.
    """
    found: list[_Found] = []
    for asked in _asked(layers):
        try:
            one = _resolve_one(asked, project, shape)
        except LeftOutError as reason:
            layers.warnings.append(f"destination {asked.name} is left out: {reason}")
            continue
        if _fits(one, found, layers):
            found.append(one)
            if one.waits:
                layers.warnings.append(f"destination {asked.name} waits: {one.waits}")
    return Resolved(
        tuple(one.destination for one in found if one.waits is None),
        tuple(one.destination.target for one in found if one.waits is not None),
        {
            f"destinations.{one.asked.name}.{key}": told.origin
            for one in found
            for key, told in one.told.items()
        },
    )


def _asked(layers: Layers) -> Iterator[Asked]:
    """The destinations somebody asks for: those of config.yaml in its order, then variables'."""
    path = layers.config_path
    named = group("destinations", layers.config.get("destinations"), path)
    if not all(map(_NAME.fullmatch, named)):
        raise ConfigError(f"names of destinations in {path} may be letters, digits, - _ and .")
    parts = {name: group(f"destinations.{name}", part, path) for name, part in named.items()}
    for name in (*parts, *(name for name in _BY_VARIABLES if name not in parts)):
        asked = Asked.of(layers, name, parts.get(name))
        asked.warn_of_project()
        layers.warnings.extend(
            unknown_in(asked.part, asked.known_keys, f"destinations.{name}.", path)
        )
        if asked.is_wanted:
            yield asked


def _resolve_one(asked: Asked, project: str, shape: Shape) -> _Found:
    told: dict[str, Told] = {}
    endpoint = _endpoint(asked, told)
    own_shape = asked.find("shape")
    chosen: Shape = own_shape.value if own_shape else shape
    target = Target(
        kind=asked.kind,
        endpoint=endpoint.url,
        project=asked.project() or project,
        space=_space(asked, told),
        protocol=endpoint.protocol,
        shape=chosen,
        stream=_stream(asked, chosen),
        **{switch: asked.switch(switch) for switch in CONTENT},
    )
    return _with_access(_Found(asked, Destination(asked.name, target), endpoint, told))


def _endpoint(asked: Asked, told: dict[str, Told]) -> Endpoint:
    protocol, insecure = asked.find("protocol"), asked.find("insecure")
    said = asked.find("endpoint") or _default_endpoint(asked)
    told["endpoint"] = said
    if protocol is not None:
        told["protocol"] = protocol
    # Nobody else may take encryption away from an endpoint.
    plain = insecure is not None and insecure.origin.source is said.origin.source

    def parsed(one: Told) -> Endpoint:
        return parse(
            one.value,
            asked.kind,
            protocol.value if protocol else None,
            whole=one.origin.name.endswith("_TRACES_ENDPOINT"),
            insecure=bool(plain and insecure and insecure.value),
        )

    try:
        endpoint = parsed(said)
    except ValueError as error:
        problem = f"{asked.place(said.origin)} is no endpoint that can be used; it may be {error}"
        if said.origin.source is Source.CONFIG:
            raise ConfigError(problem) from None
        raise LeftOutError(problem) from None
    if said.origin.source is Source.ENV:
        told["endpoint"] = next(
            (each for each in asked.in_files("endpoint") if _same(parsed, each, endpoint)), said
        )
    return endpoint


def _same(parsed: Callable[[Told], Endpoint], other: Told, endpoint: Endpoint) -> bool:
    """Whether a file of the user's names the same endpoint, which then is as good as the file's."""
    try:
        return parsed(other).url == endpoint.url
    except ValueError:
        return False


def _default_endpoint(asked: Asked) -> Told:
    if asked.kind == "ax":
        return Told(_AX_ENDPOINT, Origin(Source.DEFAULT))
    raise LeftOutError(f"it has no endpoint; {asked.how_to_give('endpoint')}")


def _space(asked: Asked, told: dict[str, Told]) -> str:
    if asked.kind != "ax":
        return ""
    space = asked.find("space_id")
    if space is None:
        raise LeftOutError(f"Arize AX needs a space id; {asked.how_to_give('space_id')}")
    told["space_id"] = space
    return str(space.value)


def _stream(asked: Asked, shape: Shape) -> bool:
    stream = asked.switch("stream", default=False)
    if stream and shape == "turns":
        asked.warn("stream needs `shape: calls`; turns are sent when they end")
        return False
    return stream


def _with_access(found: _Found) -> _Found:
    """The same with what it takes to reach it, or with the reason why it has to wait."""
    asked, target = found.asked, found.destination.target
    told = dict(found.told)
    access: dict[str, Any] = {"annotations": asked.switch("annotations")}
    waits = None
    try:
        access["certificate"] = _certificate(asked, found.endpoint, told)
        access["proxy"] = _proxy(asked, found.endpoint, told)
        access["headers"] = _headers(asked, found.endpoint, target, told)
        _check_trust(found.endpoint, told)
        timeout = asked.find("timeout_s")
        access["timeout_s"] = timeout.value if timeout else Destination.timeout_s
    except WaitsError as reason:
        access, waits = {}, str(reason)
    destination = Destination(asked.name, target, **access)
    return _Found(asked, destination, found.endpoint, told, waits)


def _certificate(asked: Asked, endpoint: Endpoint, told: dict[str, Told]) -> Any:
    """The CA file. The variable is meant for receivers of one's own, not for the vendor's."""
    if asked.kind != "otlp" and endpoint.host.endswith(_VENDOR):
        certificate = asked.in_config_file("certificate")
    else:
        certificate = asked.find("certificate", waits=True)
    if certificate is None:
        return None
    told["certificate"] = certificate
    return certificate.value


def _proxy(asked: Asked, endpoint: Endpoint, told: dict[str, Told]) -> Optional[str]:
    """The proxy's URL. What is on this machine is reached directly."""
    if endpoint.is_loopback:
        return None
    proxy = asked.of_variables(proxies.variables(endpoint), proxies.proxy_url)
    if proxy is None:
        return None
    exceptions = asked.of_variables(proxies.EXCEPTIONS, str)
    if exceptions is not None and proxies.excepted(endpoint, exceptions.value):
        return None
    told["proxy"] = proxy
    return str(proxy.value)


def _headers(
    asked: Asked, endpoint: Endpoint, target: Target, told: dict[str, Told]
) -> dict[str, str]:
    """The headers of every request, names in lower case."""
    extra, key = asked.find("headers", waits=True), asked.find("api_key", waits=True)
    headers: dict[str, str] = dict(extra.value) if extra else {}
    if extra is not None:
        told["headers"] = extra
    if endpoint.user is not None and "authorization" not in headers and key is None:
        headers["authorization"] = basic(endpoint.user, endpoint.password or "")
    if key is not None:
        told["api_key"] = key
        headers.update(_key_headers(asked, key.value))
    if asked.kind == "ax":
        if "authorization" not in headers:
            raise WaitsError(f"Arize AX needs an API key; {asked.how_to_give('api_key')}")
        headers.update({"arize-space-id": target.space, "space_id": target.space})
    if not endpoint.tls and not endpoint.is_loopback and (key or headers):
        asked.warn("its credentials go over the network unencrypted; use https (or grpcs)")
    return headers


def _key_headers(asked: Asked, key: str) -> dict[str, str]:
    """How each kind takes a key.

    AX: as arize-otel 0.14 sends it, with the older name that self-hosted receivers may know.
    """
    if asked.kind == "ax":
        return {"authorization": key, "api_key": key}
    return {"authorization": f"Bearer {key}"}


def _check_trust(endpoint: Endpoint, told: Mapping[str, Told]) -> None:
    """Refuse a key from a file where only the environment says who would read it."""
    in_url = ("endpoint",) if endpoint.user is not None else ()
    secrets = [told[key] for key in ("api_key", "headers", *in_url) if key in told]
    secret = next((each for each in secrets if each.of_file), None)
    if secret is None:
        return
    reader = _reader_of_environment(endpoint, told)
    if reader is not None:
        raise WaitsError(
            f"{secret.shown} does not go to what {reader.shown} names: a key from a file goes"
            " only to an endpoint from a file; set both in the same place"
        )


def _reader_of_environment(endpoint: Endpoint, told: Mapping[str, Told]) -> Optional[Told]:
    """Who could read what is sent and is named by the environment alone, if anybody.

    A proxy reads nothing of TLS, unless a certificate makes its word good as well.
    """
    of_env = {key: each for key, each in told.items() if each.origin.source is Source.ENV}
    if "endpoint" in of_env:
        return of_env["endpoint"]
    if "proxy" in of_env and (not endpoint.tls or "certificate" in of_env):
        return of_env["proxy"]
    return None


def _fits(one: _Found, others: list[_Found], layers: Layers) -> bool:
    """Whether a destination can stand beside the others; ConfigError where all is config.yaml's."""
    for other in others:
        problem = _conflict(one, other)
        if problem is None:
            _warn_of_two_ports(one, other)
            continue
        problem = f"destinations {other.asked.name} and {one.asked.name} {problem}"
        if one.of_config and other.of_config:
            raise ConfigError(f"{problem}; remove one of them from {layers.config_path}")
        layers.warnings.append(f"{problem}; only {other.asked.name} is used")
        return False
    return True


def _conflict(one: _Found, other: _Found) -> Optional[str]:
    mine, theirs = one.destination.target, other.destination.target
    if one.endpoint.server == other.endpoint.server and "phoenix" in (mine.kind, theirs.kind):
        return (
            "are one Phoenix server: a span id exists there once, whatever the project, so every"
            " turn would arrive in one of them only"
        )
    if (mine.account, mine.project) == (theirs.account, theirs.project):
        return "are the same place, which would get every turn twice"
    return None


def _warn_of_two_ports(one: _Found, other: _Found) -> None:
    """A Phoenix listens on two ports: which belong together cannot be seen from outside."""
    mine, theirs = one.destination.target, other.destination.target
    same_host = one.endpoint.server[0] == other.endpoint.server[0]
    if same_host and mine.kind == theirs.kind == "phoenix" and mine.protocol != theirs.protocol:
        one.asked.warn(
            f"it is on one machine with {other.asked.name}; if both are ports of one Phoenix,"
            " every turn arrives in one of them only"
        )
