"""What a shell command line consists of: simple commands, and how they hang together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Optional, Union

from harness_tracing.activity.runners import Check, check_of
from harness_tracing.activity.words import shell_script, unwrapped

_OTHER_BLANKS = re.compile(r"[^\S ]")


class Known(NamedTuple):
    """What a simple command runs.

    `bare` are its words without wrappers, `line` is its first line as written, `check` what it
    checks. `options` and `script` are those of ``bash -lc '…'``, empty for anything else.
    """

    bare: tuple[str, ...]
    name: str
    line: str
    check: Optional[Check]
    options: tuple[str, ...]
    script: str


@dataclass(frozen=True)
class Simple:
    """One simple command. `words` are without quotes, what the shell would expand stays as is.

    `writes` are the files that redirections write to, `heredoc` the text it reads. `inner` are
    the commands of substitutions in its words.
    """

    words: tuple[str, ...]
    text: str
    writes: tuple[str, ...] = ()
    heredoc: Optional[str] = None
    inner: tuple[Simple, ...] = ()

    @cached_property
    def known(self) -> Known:
        """What it runs, whatever became of it."""
        bare = unwrapped(self.words)
        text = self.text
        if "  " in text or _OTHER_BLANKS.search(text):
            text = " ".join(text.split("\n", 1)[0].split())
        name = bare[0].rpartition("/")[2] if bare else ""
        return Known(bare, name, text.strip(), check_of(bare), *shell_script(bare))


@dataclass(frozen=True)
class Group:
    """Commands in parentheses or braces. `branching`: they stand in an if, a loop, a function.

    Which commands of a branching one ran, and how they ended, its own status does not tell.
    `subshell`: what it changes of the shell, such as the folder, ends with it.
    """

    script: Script
    branching: bool = False
    subshell: bool = False
    writes: tuple[str, ...] = ()


Part = Union[Simple, Group]


class Pipeline(NamedTuple):
    """Parts joined by ``|``; its status is the last one's unless pipefail is set."""

    parts: tuple[Part, ...]
    negated: bool = False


class Statement(NamedTuple):
    """Pipelines joined by `joins` (``&&``, ``||``), one fewer than they are."""

    pipelines: tuple[Pipeline, ...]
    joins: tuple[str, ...] = ()
    background: bool = False


@dataclass(frozen=True)
class Script:
    """Statements one after the other. `whole` is false when some of it could not be read."""

    statements: tuple[Statement, ...]
    whole: bool = True


def simple_commands(script: Script) -> Iterator[Simple]:
    """Every simple command in a script in the order of its text."""
    for statement in script.statements:
        for pipeline in statement.pipelines:
            for part in pipeline.parts:
                if isinstance(part, Group):
                    yield from simple_commands(part.script)
                else:
                    yield part
                    yield from part.inner
