"""Verdicts on turns that were sent to a real Phoenix: pushed there, read back, the same."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness_tracing import worker
from harness_tracing.observe.export import Selection, exported
from harness_tracing.paths import Home
from harness_tracing.store import Annotation, Store
from harness_tracing.worker.delivery import Courier
from harness_tracing.worker.settings import destinations
from tests.phoenix.playing import flushing_place, harness_of
from tests.phoenix.reading import Reading
from tests.phoenix.server import Phoenix
from tests.worker.player import Place, capture

pytestmark = pytest.mark.phoenix

CODE = {"label": "verified", "score": 1.0, "explanation": "`make check` ran after the last edit"}
LLM = {"label": "incorrect", "score": 0.0, "explanation": "Es fehlt ein Test 🙂"}
HUMAN = {"label": None, "score": 0.5, "explanation": None}


@contextmanager
def sent(folder: Path, server: Phoenix, case: str) -> Iterator[Place]:
    """A home that has sent a recorded session to the project of the folder's name.

    Each test takes one that no other test sends to the shared server, which knows a span id once.
    """
    project = {"ARIZE_PROJECT_NAME": folder.name}
    with flushing_place(folder / "home", server.url, "turns", **project) as place:
        capture(place, case)
        harness_of(place)("flush", "--wait")
        yield place


def ids(home: Home) -> tuple[str, str, str]:
    """The session's id, and those of the turn's own span and that of a tool."""
    with Store.open(home.store, readonly=True) as store:
        (row,) = store.sessions()
        spans = exported(store, Selection(session_id=row.session_id), "turns").spans
        by_kind = {each["kind"]: each["context"]["span_id"] for each in spans}
        return row.session_id, by_kind["LLM"], by_kind.get("TOOL", "")


def annotate(place: Place, *annotations: Annotation) -> None:
    with Store.open(place.home.store) as store:
        (row,) = store.sessions()
        store.annotate(row.agent, row.session_id, annotations, time.time_ns())


def said(
    kind: Any, span_id: str, name: str, identifier: str, verdict: dict[str, Any]
) -> Annotation:
    return Annotation(
        span_id, name, kind, **verdict, identifier=identifier, metadata={"version": 1}
    )


def in_phoenix(server: Phoenix, project: str, what: str, id_: str) -> list[dict[str, Any]]:
    """What the server has of a span or a session, but for its own ids and times."""
    query = urllib.parse.urlencode({f"{what}_ids": id_, "limit": 100})
    url = f"{server.url}/v1/projects/{urllib.parse.quote(project)}/{what}_annotations?{query}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found = json.load(answer)["data"]
    kept = ("name", "annotator_kind", "identifier", "result", "metadata")
    return sorted(
        ({key: each[key] for key in kept} for each in found), key=lambda each: each["name"]
    )


def told(annotation: Annotation) -> dict[str, Any]:
    """The same of one of ours."""
    return {
        "name": annotation.name,
        "annotator_kind": annotation.annotator_kind,
        "identifier": annotation.identifier,
        "result": {
            "label": annotation.label,
            "score": annotation.score,
            "explanation": annotation.explanation,
        },
        "metadata": annotation.metadata,
    }


def test_verdicts_of_all_kinds_are_there_as_they_were_written(
    tmp_path: Path, shared_phoenix: Phoenix
) -> None:
    with sent(tmp_path, shared_phoenix, "webfetch") as place:
        session_id, root, tool = ids(place.home)
        of_root = [
            said("CODE", root, "a_verified", "ev_1", CODE),
            said("LLM", root, "b_correct", "ev_2", LLM),
            said("HUMAN", root, "c_mine", "", HUMAN),
        ]
        of_tool = said("CODE", tool, "read_first", "ev_3", CODE)
        of_session = said("LLM", "", "helpful", "ev_4", LLM)
        annotate(place, *of_root, of_tool, of_session)

        harness_of(place)("flush", "--wait")

        assert in_phoenix(shared_phoenix, tmp_path.name, "span", root) == [
            told(each) for each in of_root
        ]
        assert in_phoenix(shared_phoenix, tmp_path.name, "span", tool) == [told(of_tool)]
        assert in_phoenix(shared_phoenix, tmp_path.name, "session", session_id) == [
            told(of_session)
        ]


def test_a_verdict_that_changed_is_replaced_also_after_a_restart(
    tmp_path: Path, shared_phoenix: Phoenix
) -> None:
    with sent(tmp_path, shared_phoenix, "simple") as place:
        _, root, _ = ids(place.home)
        annotate(place, said("LLM", root, "correct", "ev_2", LLM))
        harness_of(place)("flush", "--wait")

        changed = said("LLM", root, "correct", "ev_2", CODE)
        shared_phoenix.kill()
        try:
            annotate(place, changed)
            left = place.harness("flush", "--wait", "--timeout", "1")
        finally:
            shared_phoenix.start()
        assert (left.returncode, "1 annotations wait" in left.stderr) == (1, True), left.stderr

        harness_of(place)("flush", "--wait")
        assert in_phoenix(shared_phoenix, tmp_path.name, "span", root) == [told(changed)]


def test_a_verdict_waits_until_its_span_is_there(tmp_path: Path, shared_phoenix: Phoenix) -> None:
    with sent(tmp_path, shared_phoenix, "parallel_tools") as place:
        _, root, tool = ids(place.home)
        Reading(shared_phoenix.url, tmp_path.name).wait_for([root, tool])
        lose(shared_phoenix, root)
        of_root = said("CODE", root, "verified", "ev_1", CODE)
        of_tool = said("LLM", tool, "helpful", "ev_4", LLM)
        annotate(place, of_root, of_tool)

        left = worker.flush(place.home, place.environ(), timeout_s=0.2)
        assert left.left == 1 and "does not have the span" in left.messages[0], left
        assert in_phoenix(shared_phoenix, tmp_path.name, "span", tool) == [told(of_tool)]

        (destination,) = destinations(place.home, place.environ())
        with Courier.opened(place.home, destination, logging.getLogger()) as courier:
            assert courier.read_back(sent_before_ns=time.time_ns()) == 1  # it is sent again
        harness_of(place)("flush", "--wait")
        assert in_phoenix(shared_phoenix, tmp_path.name, "span", root) == [told(of_root)]


def lose(server: Phoenix, span_id: str) -> None:
    """Have the server without a span that it took."""
    url = f"{server.url}/v1/spans/{span_id}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30):
        pass


KILLED = """
import logging, os, signal, sys
from pathlib import Path
from harness_tracing.export.annotations import open_annotations
from harness_tracing.observe.export import Selection, exported
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.worker.pushing import verdict
from harness_tracing.worker.settings import destinations

home = Home(Path(sys.argv[1]))
(destination,) = destinations(home, dict(os.environ))
with Store.open(home.store) as store:
    (account,) = store.outbox.accounts()
    dues = store.pushes.due(account, 0, anyway=True)
    (answered,) = open_annotations(destination).push([verdict(d) for d in dues], "", 10.0)
    assert answered.outcome.verdict == "delivered", answered
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_between_the_answer_and_the_note_it_is_there_once(
    tmp_path: Path, shared_phoenix: Phoenix
) -> None:
    with sent(tmp_path, shared_phoenix, "image") as place:
        _, root, _ = ids(place.home)
        mine = said("CODE", root, "verified", "ev_1", CODE)
        annotate(place, mine)

        words = [sys.executable, "-c", KILLED, str(place.home.root)]
        done = subprocess.run(
            words, env=place.environ(), capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        with Store.open(place.home.store) as store:
            assert sum(each.waiting for each in store.pushes.queues().values()) == 1

        harness_of(place)("flush", "--wait")
        assert in_phoenix(shared_phoenix, tmp_path.name, "span", root) == [told(mine)]


def test_a_sweep_pushes_what_was_said_meanwhile(tmp_path: Path, shared_phoenix: Phoenix) -> None:
    with sent(tmp_path, shared_phoenix, "tool_failure") as place:
        _, root, _ = ids(place.home)
        mine = said("HUMAN", root, "mine", "", HUMAN)
        annotate(place, mine)

        words = [sys.executable, "-I", "-B", "-m", "harness_tracing.worker"]
        subprocess.run(
            [*words, "--home", str(place.home.root), "--sweep"], env=place.environ(), check=True
        )

        assert in_phoenix(shared_phoenix, tmp_path.name, "span", root) == [told(mine)]
