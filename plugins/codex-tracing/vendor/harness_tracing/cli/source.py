"""`--from phoenix`: the same commands about what a team's server has instead of the local store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

import click

from harness_tracing.cli.edge import Edge, talk
from harness_tracing.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from harness_tracing.destinations import Destination
    from harness_tracing.observe.remote.phoenix import Phoenix
    from harness_tracing.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])

_KIND = "phoenix"


def _checked(
    _ctx: click.Context, _parameter: click.Parameter, value: Optional[str]
) -> Optional[str]:
    if value is not None and value.partition(":")[0] != _KIND:
        raise click.BadParameter(
            f"{value!r} is not known; write phoenix, or phoenix:NAME for a destination of that name"
        )
    return value


def source_option(command: Command) -> Command:
    """Add `--from` to a command, as its argument `source`."""
    option = click.option(
        "--from",
        "source",
        metavar="phoenix[:NAME]",
        callback=_checked,
        help="Read a Phoenix server instead of the local store: the destination of that NAME, "
        "or the only one.",
    )
    return option(command)


@contextmanager
def reading(
    edge: Edge,
    source: Optional[str],
    *,
    session_id: Optional[str] = None,
    project: Optional[str] = None,
    since_ns: Optional[int] = None,
    limit: Optional[int] = None,
) -> Iterator[Optional[Store]]:
    """The local store or, with a source, one for the time being with what was asked for.

    That is the session, or the latest sessions of the project since then, up to the limit.
    """
    if source is None:
        with edge.store() as store:
            yield store
        return
    from tempfile import TemporaryDirectory

    from harness_tracing.store import Store

    with server(edge, source) as phoenix, TemporaryDirectory(prefix="harness-") as folder:
        from harness_tracing.observe.remote.load import Wanted, load

        with Store.open(Path(folder) / "store.sqlite3") as store:
            done = load(store, phoenix, Wanted(session_id, project, since_ns, limit))
            if done.left_out:
                talk(f"{phoenix.name} has {done.left_out} more sessions; --limit shows more.")
            yield store


@contextmanager
def server(edge: Edge, source: str) -> Iterator[Phoenix]:
    """The server that a source names, with the credentials that turns are sent there with."""
    from harness_tracing.extras import need

    need("phoenix", "phoenix.client")
    from harness_tracing.observe.remote.phoenix import Phoenix

    destination = _destination(edge, source.partition(":")[2] or None)
    phoenix = Phoenix(destination, lambda: _tls(destination))
    try:
        yield phoenix
    finally:
        phoenix.close()


def _destination(edge: Edge, name: Optional[str]) -> Destination:
    from harness_tracing.surroundings import settings_here

    ready: dict[str, Destination] = {}
    waiting: list[str] = []
    for settings in settings_here(edge.environ, edge.home).values():
        for each in settings.destinations:
            if each.target.kind == _KIND:
                ready.setdefault(each.name, each)
        waiting += [each.title for each in settings.incomplete if each.kind == _KIND]
    if name is None and len(ready) == 1:
        return next(iter(ready.values()))
    if name is not None and name in ready:
        return ready[name]
    if ready:
        names = ", ".join(f"phoenix:{each}" for each in ready)
        wrong = "there are several Phoenix servers" if name is None else f"none is called {name!r}"
        raise ConfigError(f"{wrong}; write --from with one of {names}")
    if waiting:
        raise ConfigError(f"{waiting[0]} lacks credentials; `harness doctor` says which")
    raise ConfigError(
        "no Phoenix server is configured; set PHOENIX_ENDPOINT, or a destination of kind phoenix "
        "in config.yaml (docs/destinations.md)"
    )


def _tls(destination: Destination) -> ssl.SSLContext:
    """Whom to trust: as when turns are sent there."""
    import ssl

    from harness_tracing.export.trust import authorities

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authorities(destination.certificate).decode("ascii"))
    return context
