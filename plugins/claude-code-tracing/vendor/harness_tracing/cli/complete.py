"""What a shell offers when somebody presses Tab: ids of sessions, names of projects.

Only the store is read, and nothing is said: not even that it cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge
from harness_tracing.errors import TracerError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from harness_tracing.store import Store

_MOST = 200
_WORDS = 60


def session_ids(
    ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The latest sessions whose id begins so, each with its first prompt."""
    from click.shell_completion import CompletionItem

    from harness_tracing.observe.text import first_line

    with _store(ctx) as store:
        rows = store.sessions(limit=_MOST) if store else []
    return [
        CompletionItem(row.session_id, help=first_line(row.first_prompt)[:_WORDS])
        for row in rows
        if row.session_id.startswith(incomplete) and row.session_id.isprintable()
    ]


def project_names(
    ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The projects whose name begins so."""
    from click.shell_completion import CompletionItem

    with _store(ctx) as store:
        rows = store.projects() if store else []
    names = [row.project for row in rows]
    return [CompletionItem(n) for n in names if n.startswith(incomplete) and n.isprintable()]


@contextmanager
def _store(ctx: click.Context) -> Iterator[Optional[Store]]:
    from harness_tracing.store import Store

    edge = ctx.find_object(Edge)
    if edge is None or ctx.params.get("source") is not None:  # no server is asked for a Tab
        yield None
        return
    try:
        opened = Store.open(edge.home.store, readonly=True)
    except TracerError:
        yield None
        return
    with opened:
        yield opened
