"""A project on disk, and sessions in a store that worked in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness_tracing.evaluate.catalogue import Catalogue
from harness_tracing.improve.findings import Asked
from harness_tracing.improve.judging import bring_up_to_date
from harness_tracing.improve.suggest import Outside, Suggestions, suggest
from harness_tracing.model import ModelCall, Moment, Session, Step, Turn, Usage
from harness_tracing.paths import Home
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.evaluate import made

NOON_NS = 1_767_225_600_000_000_000
HOUR_NS = 3_600_000_000_000
NO_GATES: Mapping[str, str] = {}
MAKEFILE = "check:\n\tpytest -q\n"


@dataclass
class Project:
    """A folder with a gate, a user's home beside it, and a store."""

    folder: Path
    user_home: Path
    home: Home
    store: Store

    @classmethod
    def new(cls, at: Path, *, gate: bool = True) -> Project:
        folder, user_home = at / "pricing", at / "user"
        (folder / ".git").mkdir(parents=True)
        user_home.mkdir()
        if gate:
            (folder / "Makefile").write_text(MAKEFILE)
        home = Home(user_home / ".arize" / "harness")
        return cls(folder, user_home, home, Store.open(home.store))

    @classmethod
    @contextmanager
    def reopened(cls, known: Project) -> Iterator[Project]:
        """The same project with its store open once more."""
        with Store.open(known.home.store) as store:
            yield cls(known.folder, known.user_home, known.home, store)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def session(
        self,
        session_id: str,
        *turns: Turn,
        agent: str = "claude-code",
        at_ns: int = NOON_NS,
        cost_usd: float | None = 0.25,
    ) -> list[Turn]:
        """Store a session of these turns, an hour each, which worked in this folder."""
        placed = [
            _placed(turn, agent, session_id, number, at_ns + (number - 1) * HOUR_NS, self.folder)
            for number, turn in enumerate(turns, 1)
        ]
        writes = tuple(TurnWrite(turn, True, cost_usd) for turn in placed)
        session = Session(agent, session_id, "pricing", at_ns, cwd=str(self.folder))
        self.store.write(SessionChange(session, writes))
        return placed

    def suggest(self, gates: Mapping[str, str] = NO_GATES, **asked: Any) -> Suggestions:
        """What is proposed, with the rules' results brought up to date."""
        wanted = Asked(**asked)
        now_ns = NOON_NS + 100 * HOUR_NS
        bring_up_to_date(self.store, Catalogue(self.store, {}, gates), wanted, now_ns)
        outside = Outside(self.user_home, hook_path(), now_ns, gates)
        return suggest(self.store, wanted, outside)

    def edited(self, name: str = "store/pricing.py") -> Any:
        return made.edit(self.path(name))

    def careless(self) -> Turn:
        """A turn that stops after an edit that nothing checked."""
        return made.turn(made.read(self.path("store/pricing.py")), self.edited())

    def careful(self) -> Turn:
        """A turn whose gate passed at the end."""
        read = made.read(self.path("store/pricing.py"))
        return made.turn(read, self.edited(), made.bash("make check", "ok"))


def hook_path() -> str:
    """The PATH hooks get in these tests: where a python3 is."""
    import os
    import sys

    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def _placed(turn: Turn, agent: str, session_id: str, number: int, at_ns: int, folder: Path) -> Turn:
    def moved(step: Step) -> Step:
        if isinstance(step, Moment):
            return replace(step, at_ns=step.at_ns + at_ns, moment_id=f"{number}-{step.moment_id}")
        assert not isinstance(step, ModelCall)
        times = {
            name: value + at_ns
            for name in ("started_at_ns", "ended_at_ns")
            if (value := getattr(step, name)) is not None
        }
        return replace(step, tool_use_id=f"{session_id}-{number}-{step.tool_use_id}", **times)

    assert turn.ended_at_ns is not None
    return replace(
        turn,
        agent=agent,
        session_id=session_id,
        turn_id=f"{session_id}-{number}",
        number=number,
        started_at_ns=at_ns,
        ended_at_ns=at_ns + turn.ended_at_ns,
        cwd=str(folder),
        usage=Usage(input_tokens=1000, output_tokens=100),
        steps=tuple(map(moved, turn.steps)),
    )
