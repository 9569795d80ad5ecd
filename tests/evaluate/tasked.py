"""A store with sessions made by hand, and tasks that judge them."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from harness_tracing.evaluate.catalogue import Catalogue, own_rules_of
from harness_tracing.evaluate.definitions import (
    EvaluatorRef,
    Run,
    Scope,
    Task,
    TemplateEvaluator,
)
from harness_tracing.evaluate.judges import Judges
from harness_tracing.evaluate.running import Runner
from harness_tracing.evaluate.task_work import Means
from harness_tracing.model import Session, Step, Turn, span_id
from harness_tracing.paths import Home
from harness_tracing.store import Annotation, SessionChange, Store, TurnWrite
from tests.evaluate.judges import Api
from tests.evaluate.made import bash, edit, turn

AGENT = "claude-code"
NOON_NS = 1_767_225_600_000_000_000
MINUTE_NS = 60 * 10**9
RIGHT = TemplateEvaluator(
    "Is it right? {{output.value}}",
    "right",
    {"correct": 1.0, "incorrect": 0.0},
    ai_integration="mini",
    include_explanations=True,
)
BAD = (edit("a.py"),)
"""Steps of a turn that edits and checks nothing."""
GOOD = (edit("a.py"), bash("make check"))
"""Steps of one that runs the gate after its edit."""
KEY = "JUDGE_KEY"


def config(api_url: str, **more: str) -> str:
    """A config.yaml with one judge."""
    lines = ["provider: openai", "model: gpt-5-mini", f"base_url: {api_url}", f"api_key_env: {KEY}"]
    lines += [f"{name}: {value}" for name, value in more.items()]
    return "ai_integrations:\n  mini:\n" + "".join(f"    {line}\n" for line in lines)


class Place:
    """A home with a store, whose clock stands still unless it is put forward."""

    def __init__(self, folder: Path, api: Optional[Api] = None, *, root: bool = False) -> None:
        self.home = Home(folder if root else folder / "home")
        self.store = Store.open(self.home.store)
        self.now_ns = NOON_NS
        self.env: Mapping[str, str] = {"HOME": str(folder), KEY: "sk-test"}
        if api is not None:
            self.home.config.write_text(config(api.url), encoding="utf-8")

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def session(
        self, session_id: str, *turns: Sequence[Step], first: int = 1, **fields: Any
    ) -> list[str]:
        """Store a session of final turns with these steps, a minute apart; their span ids."""
        change_of: dict[str, Any] = {"project": "pricing", **fields}
        writes = [
            TurnWrite(made_turn(session_id, number, steps), final=True)
            for number, steps in enumerate(turns, first)
        ]
        session = Session(AGENT, session_id, started_at_ns=NOON_NS, **change_of)
        self.store.write(SessionChange(session, tuple(writes)))
        return [span_id(AGENT, session_id, write.turn.turn_id) for write in writes]

    def task(self, *evaluators: str, name: str = "checks", **fields: Any) -> Task:
        """A task for the project, made at noon."""
        values: dict[str, Any] = {"task_type": "code_evaluation", "project": "pricing", **fields}
        whole = values.pop("judges_sessions", False)
        refs = tuple(EvaluatorRef(each) for each in evaluators or ("ev_verified_before_done",))
        made = Task("", name, evaluators=refs, created_at_ns=NOON_NS, **values)
        return self.store.evaluations.put_task(made, judges_sessions=whole)

    def judged_by(
        self, definition: TemplateEvaluator = RIGHT, name: str = "right", **f: Any
    ) -> Task:
        """A task whose evaluator asks a model."""
        made = self.store.evaluations.put_evaluator(name, definition, "", NOON_NS)
        return self.task(made.evaluator_id, name=name, task_type="template_evaluation", **f)

    def start_of_tasks(self, at_ns: int) -> None:
        """Let all tasks count from then on: their turns here are of a day that is over."""
        with contextlib.closing(sqlite3.connect(self.home.store)) as connection, connection:
            connection.execute("UPDATE tasks SET created_at_ns = ?", (at_ns,))

    def means(self) -> Means:
        """What tasks are worked on with here."""
        judges = Judges(self.home.config, self.env, self.home.judge_cache, sleep=lambda _: None)
        catalogue = Catalogue(self.store, own_rules_of(self.home))
        return Means(self.store, catalogue, judges, lambda: self.now_ns)

    def runner(self) -> Runner:
        """Who works on them."""
        names = [name for name, value in self.env.items() if value]
        return Runner(self.means(), logging.getLogger("harness_tracing.test"), names)

    def backfill(self, task: Task, **scope: Any) -> Run:
        """One run over what is there."""
        self.now_ns += 1
        run = self.store.evaluations.start_run(
            task.task_id, "backfill", Scope(**scope), self.now_ns
        )
        return self.runner().backfill(run)

    def results(self, session_id: str = "s") -> list[Annotation]:
        """What was said of a session."""
        return self.store.annotations(AGENT, session_id)

    def labels(self, session_id: str = "s") -> dict[str, Optional[str]]:
        """The labels of a session's spans, by span."""
        return {each.span_id: each.label for each in self.results(session_id)}


def made_turn(session_id: str, number: int, steps: Sequence[Step], **fields: Any) -> Turn:
    """A turn of a session, begun so many minutes after noon."""
    at_ns = NOON_NS + number * MINUTE_NS
    made = turn(*steps)
    moved = tuple(
        replace(step, started_at_ns=at_ns + n, ended_at_ns=at_ns + n)
        if hasattr(step, "tool_use_id")
        else step
        for n, step in enumerate(made.steps, 1)
    )
    return replace(
        made,
        session_id=session_id,
        turn_id=f"p{number}",
        number=number,
        started_at_ns=at_ns,
        ended_at_ns=at_ns + 10**9,
        steps=moved,
        **fields,
    )


def wait_until(holds: Any, timeout_s: float = 60.0) -> None:
    """Wait for something to become true."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
