"""Where our files lie. One place, pure: a home folder in, paths out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
