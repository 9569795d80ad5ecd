"""What an agent is to us: pure data, from which hooks.json and docs pages are generated.

A leaf: imports nothing of ours but the model and errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Literal, Optional, Protocol, Union

from harness_tracing.model import Message, Session, Turn


@dataclass(frozen=True)
class Event:
    """An event the agent fires hooks on, and what we register it for.

    `timeout_s` is the hook's time limit as registered with the agent (None: the agent's own).
    `ends`: it ends a turn or the session, so that delivery may be waited for here.
    `since` is the agent's version from which on it may be registered ("": every one).
    """

    name: str
    why: str
    timeout_s: Optional[int] = None
    ends: bool = False
    since: str = ""


@dataclass(frozen=True)
class HookEvent:
    """A captured hook call. `key` names its spool file, `at_ns` is when it fired.

    `payload` is the parsed JSON, or None when only name and time survived (full disk).
    `pid` is the agent's process where the hook's environment named it.
    """

    key: str
    name: str
    at_ns: int
    payload: Optional[Mapping[str, Any]]
    pid: Optional[int] = None


@dataclass(frozen=True)
class Line:
    """One parsed line of an agent's own file; `file` is the key `wanted_files` gave it.

    `value` is None for a line that is not valid JSON; `offset` is where it begins (bytes).
    """

    file: str
    value: Optional[Mapping[str, Any]]
    offset: int = 0


@dataclass(frozen=True)
class Document:
    """The whole content of a small file of the agent's (a sidecar, a large tool output)."""

    file: str
    text: str


@dataclass(frozen=True)
class Listing:
    """The names in a folder the reader asked for, sorted."""

    file: str
    names: tuple[str, ...]


Item = Union[HookEvent, Line, Document, Listing]


@dataclass(frozen=True)
class WantedFile:
    """A file the reader wants to see, known to it as `key` wherever it lies.

    `lines` follows it as it grows, `document` reads it whole each time it changes, `once`
    reads it whole one time, `folder` lists its names each time they change.
    """

    key: str
    path: str
    how: Literal["lines", "document", "once", "folder"] = "lines"


@dataclass(frozen=True)
class TurnChange:
    """What is new about a turn: its header, with only the changed steps in `turn.steps`.

    `final`: the turn will not change any more, save for late steps of background agents.
    """

    turn: Turn
    final: bool


@dataclass(frozen=True)
class Changes:
    """What a reader has to tell since it was last asked."""

    session: Optional[Session] = None
    turns: tuple[TurnChange, ...] = ()


COMPRESSED_SUFFIX = ".zst"
"""What the name of a session's file ends with when it is compressed, and cannot be read."""


@dataclass(frozen=True)
class HistorySession:
    """A session that an agent keeps on disk: its own file, and when that last changed.

    `cwd` is where it began, as far as the file says so in its first lines; `folder` is the name
    of the agent's folder for the project, which is made of its path. `parts` are files of its
    sub-agents and the like, where only their own first lines say whose they are.
    """

    session_id: str
    path: str
    modified_ns: int
    cwd: Optional[str] = None
    folder: str = ""
    parts: tuple[str, ...] = ()


History = Callable[[Mapping[str, str], Optional[int]], Iterable[HistorySession]]
"""Environment in, and Unix ns: the sessions on disk that changed since then, in any order."""


class Reader(Protocol):
    """A pure state machine: items in, changes out. It touches no file and no clock."""

    skipped_lines: tuple[bytes, ...]
    """How lines begin that the reader has no use for: they need not be parsed."""

    def begin(self, path: str, parts: Sequence[str] = ()) -> None:
        """The session's own file is known, without a hook that named it; and those of parts."""

    def feed(self, item: Item) -> None:
        """Take one item in. Never raises on what an agent may write."""

    def feed_all(self, items: Sequence[Item]) -> None:
        """Take in what lies waiting: files in their own order, hooks at their time among them."""

    def restarted(self, file: str) -> None:
        """The file of that key begins anew: it was cut or replaced; its lines come again."""

    def time_is(self, now_ns: int) -> None:
        """What is fed from here on is seen at this time."""

    def tick(self, now_ns: int, agent_alive: bool) -> None:
        """Let time pass: closes turns whose waiting time is over.

        To be called when nothing is left to feed: a file first named by the last lines may
        hold more of a turn that seems to be over.
        """

    def close(self, at_ns: int, why: str) -> None:
        """The session is over (`why`: ended, died, imported): close every open turn."""

    def changes(self, with_open: bool = True) -> Changes:
        """What changed since the last call; `with_open` off: what of open turns did waits."""

    def wanted_files(self) -> Iterable[WantedFile]:
        """The agent's files this session's truth lies in, as known by now."""

    def pending(self) -> bool:
        """Whether something waits to be told final that moments alone will settle."""

    def parts(self) -> Iterable[str]:
        """Ids under which parts of this session are captured as sessions of their own."""

    def session_over(self) -> bool:
        """Whether the session has ended and everything of it has been told."""

    def open_since_ns(self) -> Optional[int]:
        """The start of the oldest open turn, None when all are closed."""

    def snapshot(self, clean: Callable[[Message], Message]) -> bytes:
        """The state from which a new reader goes on; content in it has gone through `clean`."""


SettingsEnv = Callable[
    [Mapping[str, str], Optional[str]], tuple[Mapping[str, str], Mapping[str, str]]
]
"""Environment and project folder in; the variables of user and of project settings out."""


@dataclass(frozen=True)
class SettingsFile:
    """A file in which variables are set for an agent, by its user or by a project.

    `form`: a JSON file with an `env` block, or a shell script of ``export NAME=value``.
    """

    path: Path
    form: Literal["env block", "exports"]
    of_project: bool = False


SettingsFiles = Callable[[Mapping[str, str], Optional[str]], tuple[SettingsFile, ...]]
"""Environment and project folder in; the files of `SettingsEnv`, those that win last."""


def _no_files(env: Mapping[str, str], project_dir: Optional[str]) -> tuple[SettingsFile, ...]:
    return ()


@dataclass(frozen=True)
class Machine:
    """Where a registration goes: the user's variables and home folder, and what is ours.

    `command` gives the line for an event; below `records` lies what uninstalling restores.
    `version` is that of the agent where it matters and somebody knows it. `project` is the
    folder whose own configuration is meant, None: the user's. `tab_edits`: whether the edits of
    inline completion are wanted too, None: as it is.
    """

    environ: Mapping[str, str]
    user_home: Path
    records: Path
    command: Callable[[str], str]
    version: Optional[str] = None
    project: Optional[Path] = None
    tab_edits: Optional[bool] = None


@dataclass(frozen=True)
class Outcome:
    """What became of a registration: the file it is in, whether that changed, what to know."""

    path: Path
    changed: bool
    notes: tuple[str, ...] = ()


class Registration(Protocol):
    """Our hooks in an agent's configuration. Each edit is minimal and can be repeated."""

    def install(self) -> Outcome:
        """Put our hooks in; RegistrationError, with nothing touched, where that cannot be."""

    def uninstall(self) -> Outcome:
        """Take them out again: the user's bytes as they were."""

    def registered(self) -> bool:
        """Whether all our hooks are in as they have to be."""

    def present(self, event: Optional[str] = None) -> bool:
        """Whether any hook of ours, or that of one event, is in."""

    def others(self) -> tuple[str, ...]:
        """Commands of other tracers beside ours."""

    @property
    def path(self) -> Path:
        """The file it is about."""


@dataclass(frozen=True)
class Trusted:
    """Whether an agent runs our hooks as it stands: its own word for that, and what to do."""

    ok: bool
    state: str
    advice: str = ""


Problem = Callable[[str, Mapping[str, Any]], Optional[str]]
"""An event's name and payload in: what is not as the reader knows it."""


def _no_hint(machine: Machine) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Agent:
    """Everything generic code needs to know about an agent.

    `session_variable`, `pid_variable` and `project_variable` name the variables in a hook's
    environment that hold the session id, the agent's process id and the project's folder.
    Without a session variable the payload's `session_key` names the session; without a pid
    variable the agent is the parent of the hook's shell. `foreign_variables`: when one of
    these is set and the session variable is not, another agent is running our hook.
    `own_shell`: how our line has to look, see `capture.hook_command`. `registration` puts our
    hooks into the agent's own configuration; `hint` says what the user has to do besides.
    `version_command` tells the installed version, where the registration depends on it.
    `program` is what it is started with, `folder` where its files lie below the user's home;
    `takes` are the options of `harness install` that only some agents have, `optional_events`
    those registered only when asked for. `settings_files` are the files that `settings_env`
    reads. `learned_on` are the versions all this was learned on,
    `supported_versions` the oldest it is taken from.
    `history` lists the sessions it keeps on disk. `skills` is the folder of its user's skills,
    given the environment and the user's home.
    `one_project` is what a user does to have one project alone traced where there is no file
    of a project's to say so in; `over_shell`: its settings files come before the variables of
    the shell that it was started in. `plugins` are the names
    of our plugins that it has enabled, `others` those of other tracers; `trust` is for agents
    that run only hooks their user trusts. `payload_problem` and `line_problem` hold what it
    writes against what the reader knows.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    default_project: str
    events: tuple[Event, ...]
    session_variable: Optional[str]
    pid_variable: Optional[str]
    project_variable: Optional[str]
    foreign_variables: tuple[str, ...]
    supported_versions: str
    reader: Callable[[str, str, Optional[bytes]], Reader]
    settings_env: SettingsEnv
    docs: Mapping[str, str] = field(default_factory=dict)
    session_key: str = "session_id"
    own_shell: bool = False
    registration: Optional[Callable[[Machine], Registration]] = None
    hint: Callable[[Machine], tuple[str, ...]] = _no_hint
    version_command: tuple[str, ...] = ()
    program: str = ""
    folder: str = ""
    takes: tuple[str, ...] = ()
    optional_events: tuple[Event, ...] = ()
    learned_on: str = ""
    settings_files: SettingsFiles = _no_files
    history: Optional[History] = None
    over_shell: bool = False
    one_project: str = ""
    plugins: Callable[[Machine], tuple[str, ...]] = _no_hint
    others: Callable[[Machine], tuple[str, ...]] = _no_hint
    trust: Optional[Callable[[Machine], Trusted]] = None
    payload_problem: Optional[Problem] = None
    line_problem: Optional[Callable[[Mapping[str, Any]], Optional[str]]] = None
    skills: Optional[Callable[[Mapping[str, str], Path], Path]] = None
