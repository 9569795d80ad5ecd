"""Where our files lie. One place, pure: a home folder in, paths out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness_tracing.errors import ConfigError

HOME_VARIABLE = "ARIZE_HARNESS_HOME"
DEFAULT_HOME = Path(".arize") / "harness"


@dataclass(frozen=True)
class Home:
    """Everything we write lies below `root` (``ARIZE_HARNESS_HOME``, else ``~/.arize/harness``)."""

    root: Path

    @property
    def spool(self) -> Path:
        """Captured events: ``spool/<agent>/<session>/<event file>``."""
        return self.root / "spool"

    def session_spool(self, agent: str, session_id: str) -> Path:
        """The folder that holds one session's events, its worker's lock and pid file."""
        return self.spool / agent / session_id

    @property
    def quarantine(self) -> Path:
        """Events that never became readable, kept for 14 days."""
        return self.root / "quarantine"

    @property
    def store(self) -> Path:
        """The SQLite store."""
        return self.root / "store.sqlite3"

    @property
    def config(self) -> Path:
        """The user's configuration (mode 0600)."""
        return self.root / "config.yaml"

    @property
    def logs(self) -> Path:
        """One log file per agent."""
        return self.root / "logs"

    @property
    def versions(self) -> Path:
        """Installed versions, each with a virtual environment of its own."""
        return self.root / "versions"

    @property
    def current(self) -> Path:
        """Points to the version in use; moves forward only."""
        return self.root / "current"

    @property
    def bootstrap(self) -> Path:
        """State, log and lock of building a version."""
        return self.root / "bootstrap"

    @property
    def bin(self) -> Path:
        """The `harness` command for the user's PATH."""
        return self.root / "bin"

    @property
    def capture(self) -> Path:
        """Capture for agents it is registered with: the same place in every version."""
        return self.root / "capture"

    @property
    def registrations(self) -> Path:
        """For each agent what uninstalling restores, and the backup of the user's file."""
        return self.root / "registrations"

    @property
    def agent_sdk(self) -> Path:
        """Plugins made for programs that use the Claude Agent SDK, one per installation."""
        return self.root / "agent-sdk"

    @property
    def scopes(self) -> Path:
        """What `harness enable` and `disable` found in the files they edited."""
        return self.root / "scopes"

    @property
    def variables(self) -> Path:
        """What `harness setup` found in the agents' settings files it edited."""
        return self.root / "variables"

    @property
    def skills(self) -> Path:
        """Which skills of ours were put among an agent's, and what they held."""
        return self.root / "skills.json"

    @property
    def improvements(self) -> Path:
        """What `harness improve apply` found in the files it edited, by proposal."""
        return self.root / "improvements"

    @property
    def status(self) -> Path:
        """The lines that `harness status` printed last, by environment."""
        return self.root / "status"

    @property
    def evaluate_lock(self) -> Path:
        """Held by the one process that works on tasks."""
        return self.root / "evaluate.lock"

    @property
    def judge_cache(self) -> Path:
        """Judges' verdicts by the digest of what was asked."""
        return self.root / "judge-cache.sqlite3"

    @property
    def evaluators(self) -> Path:
        """The user's own rules, one Python file each, unless config.yaml names another folder."""
        return self.root / "evaluators"


def user_home(env: Mapping[str, str]) -> Path:
    """The user's home folder: ``HOME``, on Windows ``USERPROFILE``, else the password database.

    Raises ConfigError when nobody knows it.
    """
    for variable in ("HOME", "USERPROFILE"):
        if Path(env.get(variable, "")).is_absolute():
            return Path(env[variable])
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (ImportError, KeyError):
        raise ConfigError("HOME is not set; set it to your home folder") from None


def absolute(value: Any, home: Path) -> Path:
    """A path that does not depend on the folder one is in; ``~/`` is the user's `home`.

    Raises ValueError, whose text follows "it may be", when it is none.
    """
    if isinstance(value, str) and (value == "~" or value.startswith(("~/", "~\\"))):
        return home / value[2:]
    # Hooks run in whatever folder the agent is in: a relative path would move about.
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise ValueError("an absolute path or one that begins with ~/")
    return Path(value)


def home_of(env: Mapping[str, str]) -> Home:
    """Where our files lie for who has this environment, as `config.load` finds it.

    Without a look at config.yaml. Raises ConfigError when nobody knows the user's home.
    """
    of_user = user_home(env)
    try:
        return Home(absolute(env.get(HOME_VARIABLE) or None, of_user))
    except ValueError:
        return Home(of_user / DEFAULT_HOME)
