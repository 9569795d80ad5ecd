"""The two commands that others run all the time, answered before anything is loaded.

`harness hook-command` reads a table; `harness status` shows the line it made last, if nothing
that the line depends on has changed since: the environment, the settings files, config.yaml,
and what the outbox holds. In every other case the command itself runs. So nothing but the
standard library's lightest modules may be imported here.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Optional

FORMAT = "1"
# These change from one prompt to the next, and no setting is read from them.
_OF_THE_SHELL = ("_", "SHLVL", "OLDPWD", "COLUMNS", "LINES")
_NO_PLAIN_URI = frozenset("?#%\\")
# A copy of store.outbox.WATCHED, whose module takes too long; a test holds them together.
QUERIES = (
    "PRAGMA user_version",
    "SELECT * FROM backends",
    "SELECT * FROM destinations",
    "SELECT destination_key, state, count(*), count(DISTINCT turn_key), max(changed_at_ns)"
    " FROM outbox WHERE state IN ('waiting', 'sent', 'dead') GROUP BY 1, 2",
    "SELECT count(*), max(updated_at_ns) FROM annotations WHERE unpushed = 1",
    "SELECT destination_key, state, count(*), max(due_at_ns), max(error) FROM pushes"
    " WHERE state != 'pushed' GROUP BY 1, 2",
)


def answers(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Print what a command would, and True; False where the command itself has to do it."""
    line = None
    if len(words) == 3 and words[0] == "hook-command":
        line = _registered_line(words[1], words[2])
    elif len(words) == 1 and words[0] == "status":
        line = remembered(environ)
    elif len(words) == 3 and list(words[:2]) == ["status", "--agent"]:
        line = remembered(environ, _name(words[2]))
    if line is None:
        return False
    try:
        sys.stdout.write(line)
        sys.stdout.flush()
    except OSError:
        # Who asked has gone: nothing is to be said of it when Python ends, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _name(agent: str) -> str:
    from harness_tracing.cli.registered import ALIASES

    return ALIASES.get(agent, agent)


def _registered_line(agent: str, event: str) -> Optional[str]:
    from harness_tracing.cli.registered import REGISTERED

    agent = _name(agent)
    if os.name != "posix" or agent not in REGISTERED:
        return None
    own_shell, events = REGISTERED[agent]
    if event not in events:
        return ""
    from harness_tracing import capture

    script = os.path.join(os.getcwd(), os.path.dirname(capture.__file__), "capture.sh")
    return capture.hook_command(agent, event, sys.executable, script, own_shell=own_shell) + "\n"


# --- the remembered line -------------------------------------------------------------------


def remembered(environ: Mapping[str, str], agent: str = "") -> Optional[str]:
    """The line of an environment as it was made last, of one agent or of all.

    None when it may be another by now.
    """
    try:
        path = place(environ, agent)
        if path is None:
            return None
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            head, line, *facts = file.read().split("\n")
        if head != FORMAT or not facts or facts.pop() != "whole":
            return None
        return line + "\n" if all(map(_still_holds, facts)) else None
    except (OSError, ValueError):
        return None


def place(environ: Mapping[str, str], agent: str = "") -> Optional[str]:
    """The file for the line of an environment; None where its home cannot be told at once.

    The file's name is a digest of all variables: nothing of them is in it.
    """
    user_home, named = environ.get("HOME", ""), environ.get("ARIZE_HARNESS_HOME", "")
    if os.name != "posix" or not user_home.startswith("/") or named[:1] not in ("", "/"):
        return None
    told = [f"{n}={v}" for n, v in sorted(environ.items()) if n not in _OF_THE_SHELL]
    home = named or user_home + "/.arize/harness"
    return f"{home}/status/{digest([__file__, _version(), agent, *told])}"


def _version() -> str:
    from harness_tracing import __version__

    return __version__


def digest(texts: Iterable[str]) -> str:
    """What tells whether texts are the same ones."""
    try:
        from _blake2 import blake2b  # hashlib loads OpenSSL first
    except ImportError:
        from hashlib import blake2b
    joined = "\0".join(texts).encode("utf-8", "surrogateescape")
    return str(blake2b(joined, digest_size=16).hexdigest())


def of_file(path: str) -> str:
    """The fact that a file is as it is, or that it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return f"file\t{path}\t"
    return f"file\t{path}\t{status.st_mtime_ns} {status.st_size} {status.st_ino}"


def of_rows(store: str) -> str:
    """The fact that a store's outbox holds what it holds.

    Raises ValueError where it cannot be looked into at once.
    """
    import sqlite3

    if not _NO_PLAIN_URI.isdisjoint(store):
        raise ValueError(store)
    try:
        connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=0.2)
        try:
            found = [repr(connection.execute(query).fetchall()) for query in QUERIES]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ValueError(store) from error
    return f"rows\t{store}\t{digest(found)}"


def _still_holds(fact: str) -> bool:
    kind, path = fact.split("\t")[:2]
    return (of_rows(path) if kind == "rows" else of_file(path)) == fact
