"""Imported is what captured is, but for what only hooks know."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import golden
import pytest
from recorded import _undotted, play, recordings

from harness_tracing import config
from harness_tracing.follow import CHUNK_BYTES
from harness_tracing.import_pool import import_all
from harness_tracing.importer import Imported, Importer, find
from harness_tracing.locks import FileLock
from harness_tracing.model import (
    IMPORTED,
    ModelCall,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    step_id,
)
from harness_tracing.paths import Home
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.worker.conftest import Undisturbed
from tests.worker.conftest import place as place
from tests.worker.conftest import undisturbed as undisturbed
from tests.worker.player import Place, Recording, assert_same, capture, recording
from tests.worker.player import play as play_hooks

DAY_NS = 86_400 * 10**9
CLAUDE = Path(__file__).parent / "recordings" / "claude-code"
CODEX = Path(__file__).parent / "recordings" / "codex"
CURSOR = Path(__file__).parent / "recordings" / "cursor"
OLD_CODEX = Path(__file__).parent / "recordings" / "codex-old"
# Turns and steps that hooks alone tell of, or tell better: a denial, nested calls, a turn that
# never came to the model, an agent's kind of start. Large outputs lie where the recording was made.
KNOWN_BY_HOOKS = {
    "tui_permission": {"tool:call_tui_esc_4"},
    "code_mode": {
        "tool:exec-ef576dcb-f1be-43f6-89a7-d60b3c38b2c5",
        "tool:exec-203c8c75-ee52-469f-b679-af7c1d217a3f",
    },
    "permission_rejected": {"tool:toolu_01scripted0000000100"},
    "prompt_hook_blocks": {"cf349333-8ca6-46d2-9f17-c27cde6a5a62"},
    "subagent_nested_background": {"agent:a69b14b77e4cbe913"},
    "tui_queued_then_escape": {"moment:prompt:5e9d98ed2987"},
    "tui_two_dialogs": {"tool:toolu_01scripted0000000101"},
    "huge_output": {"tool:toolu_01mock000000000100"},
    "agent_huge": {"tool:toolu_01scripted0000000200"},
}
CASES = [
    pytest.param(agent, folder, id=f"{agent}-{folder.name}")
    for agent in ("claude-code", "codex")
    for folder in recordings(agent)
    if (folder / "home").exists()
]


@dataclass
class Disk:
    """A user's home with agents' files in it, looked at so many days after they were written."""

    root: Path
    days: int = 3
    chunk_bytes: int = CHUNK_BYTES

    @property
    def home(self) -> Home:
        return Home(self.root / ".arize" / "harness")

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.root)}

    def put(self, folder: Path) -> None:
        """Put a recording's files there, each as old as its last line."""
        for source in filter(Path.is_file, (folder / "home").rglob("*")):
            target = self.root / _undotted(str(source.relative_to(folder / "home")))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            date(target)

    def run(self, agent: str, **filters: Any) -> list[Imported]:
        """Import all of an agent; what became of each session, by id."""
        with Store.open(self.home.store) as store:
            later = lambda: time.time_ns() + self.days * DAY_NS  # noqa: E731
            importer = Importer(self.home, self.env, store, later, self.chunk_bytes)
            done = [importer.take(each) for each in find(self.env, [agent], **filters)]
        return sorted(done, key=lambda each: each.session_id)

    def turns(self, agent: str) -> dict[str, list[Turn]]:
        """The stored turns by session."""
        with Store.open(self.home.store) as store:
            rows = [row for row in store.sessions() if row.agent == agent]
            return {row.session_id: store.turns(agent, row.session_id) for row in rows}

    def transcript(self) -> Path:
        """The session's main file; of several sessions the first one's."""
        found = [p for p in self.root.rglob("*.jsonl") if "subagents" not in p.parts]
        return min(found, key=lambda path: path.name)


def date(path: Path) -> None:
    times = re.findall(rb'"timestamp":"(2026-[^"]+)"', path.read_bytes())
    if times:
        latest = max(datetime.fromisoformat(t.decode().replace("Z", "+00:00")) for t in times)
        os.utime(path, (latest.timestamp(), latest.timestamp()))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "user")


def facts(turns: list[Turn], spared: set[str]) -> dict[str, Any]:
    """What both ways of reading have to agree on, by turn and step."""
    found: dict[str, Any] = {}
    for turn in turns:
        if turn.turn_id not in spared:
            found[turn.turn_id] = (turn.status, turn.prompt, turn.response, turn.model, turn.usage)
            found[turn.turn_id] += (turn.error, turn.cause, turn.cwd)
            steps = {step_id(step): _facts(step) for step in turn.steps}
            found[turn.turn_id + " steps"] = {k: steps[k] for k in steps if k not in spared}
    return found


def _facts(step: Step) -> tuple[Any, ...]:
    if isinstance(step, ModelCall):
        asked = (step.output, len(step.input_messages), step.earlier_messages)
        return (step.model, step.usage, step.finish_reason, step.error, step.agent_id, *asked)
    if isinstance(step, ToolCall):
        return (step.name, step.status, step.call_id, step.agent_id, step.input, step.output)
    if isinstance(step, Subagent):
        return (step.type, step.status, step.tool_use_id, step.response)
    return (step.kind,)


@pytest.mark.parametrize(("agent", "folder"), CASES)
def test_imported_is_what_was_captured_and_twice_is_once(
    agent: str, folder: Path, disk: Disk
) -> None:
    disk.put(folder)
    spared = KNOWN_BY_HOOKS.get(folder.name, set())
    captured = {
        session_id: facts(collected.whole(), spared)
        for session_id, collected in play(folder).items()
    }

    first = disk.run(agent)
    imported = disk.turns(agent)
    again = disk.run(agent)

    assert {s: facts(turns, spared) for s, turns in imported.items()} == captured
    assert all(turn.gaps[-1] == IMPORTED for turns in imported.values() for turn in turns)
    assert {each.outcome for each in first} <= {"imported", "empty"}
    assert sum(each.turns for each in again) == 0
    assert {each.outcome for each in again} <= {"unchanged", "empty"}
    assert disk.turns(agent) == imported


@pytest.mark.parametrize(
    ("agent", "folder"),
    [
        ("claude-code", CLAUDE / "subagent_foreground"),
        ("codex", CODEX / "subagents_v2"),
        ("cursor", CURSOR / "tool_cycle"),
    ],
)
def test_what_an_imported_session_lacks_is_named(agent: str, folder: Path, disk: Disk) -> None:
    disk.put(folder)

    disk.run(agent)

    with Store.open(disk.home.store) as store:
        texts = [
            golden.session_text(row.session, store.turns(agent, row.session_id))
            for row in sorted(store.sessions(), key=lambda row: row.session_id)
        ]
    golden.check(f"imported/{agent}", "\n".join(texts).replace(str(disk.root), "~"))


@pytest.mark.parametrize(
    ("agent", "folder"),
    [
        ("claude-code", CLAUDE / "long_session"),
        ("claude-code", CLAUDE / "subagent_parallel"),
        ("codex", CODEX / "long_session"),
        ("codex", CODEX / "subagents_v2"),
    ],
)
def test_a_file_read_piece_by_piece_gives_what_it_gives_at_once(
    agent: str, folder: Path, disk: Disk
) -> None:
    disk.put(folder)
    disk.run(agent)
    at_once = disk.turns(agent)
    shutil.rmtree(disk.home.root)

    disk.chunk_bytes = 30_000
    disk.run(agent)

    assert disk.turns(agent) == at_once


@pytest.mark.parametrize("version", ["0.80.0", "0.120.0"])
def test_rollouts_of_old_clients_are_read(version: str, disk: Disk) -> None:
    source = OLD_CODEX / f"rollout-{version}.jsonl"
    meta = json.loads(source.read_text().split("\n")[0])["payload"]
    archive = disk.root / ".codex" / "archived_sessions"
    archive.mkdir(parents=True)
    target = archive / f"rollout-2026-11-23T02-14-30-{meta['id']}.jsonl"
    shutil.copyfile(source, target)
    date(target)

    (done,) = disk.run("codex")

    assert (done.session_id, done.outcome) == (meta["id"], "imported")
    turns = disk.turns("codex")[meta["id"]]
    assert [turn.status for turn in turns] == ["completed"] * len(turns)
    assert all(turn.usage.input_tokens for turn in turns)


def test_a_compressed_rollout_is_told_of_until_there_is_one_that_can_be_read(disk: Disk) -> None:
    disk.put(CODEX / "simple")
    plain = disk.transcript()
    packed = plain.rename(plain.with_name(plain.name + ".zst"))

    (before,) = disk.run("codex")
    shutil.copy2(packed, plain)
    (after,) = disk.run("codex")

    assert (before.outcome, before.path) == ("compressed", str(packed))
    assert (after.outcome, after.path) == ("imported", str(plain))
    assert before.session_id == after.session_id


def test_what_is_added_to_a_file_is_all_that_is_read_again(disk: Disk) -> None:
    disk.put(CLAUDE / "multi_turn_resume")
    path = disk.transcript()
    next(p for p in path.parent.glob("*.jsonl") if p != path).unlink()
    lines = path.read_bytes().splitlines(keepends=True)
    disk.run("claude-code")
    whole = disk.turns("claude-code")
    shutil.rmtree(disk.home.root)
    part = next(n for n, line in enumerate(lines) if b"stop_hook_summary" in line) + 1

    path.write_bytes(b"".join(lines[:part]))
    date(path)
    (first,) = disk.run("claude-code")
    # What was read is not looked at again, but for the ends by which the file is known.
    read = b"".join(lines[:part])
    spoiled = read[:1024] + b"x" * (len(read) - 2048) + read[-1024:]
    path.write_bytes(spoiled + b"".join(lines[part:]))
    os.utime(path)
    disk.days = 2
    (second,) = disk.run("claude-code")

    assert first.turns >= 1
    assert first.turns + second.turns == len(whole[first.session_id])
    spared: set[str] = set()
    stored = disk.turns("claude-code")[first.session_id]
    assert facts(stored, spared) == facts(whole[first.session_id], spared)
    assert [turn.number for turn in stored] == list(range(1, len(stored) + 1))


def test_a_turn_that_may_still_run_is_left_until_its_file_is_old(disk: Disk) -> None:
    disk.put(CLAUDE / "tool_cycle")
    path = disk.transcript()
    lines = path.read_bytes().splitlines(keepends=True)
    asked = next(n for n, line in enumerate(lines) if b'"tool_use"' in line) + 1
    path.write_bytes(b"".join(lines[:asked]))
    os.utime(path)
    disk.days = 0

    (young,) = disk.run("claude-code")
    untouched = disk.turns("claude-code")
    disk.days = 3
    (old,) = disk.run("claude-code")

    assert (young.outcome, young.turns, untouched) == ("busy", 0, {})
    assert (old.outcome, old.turns) == ("imported", 1)
    (turn,) = disk.turns("claude-code")[old.session_id]
    assert turn.status == "interrupted"


def damaged(lines: list[bytes], how: str) -> list[bytes]:
    middle = len(lines) // 2
    if how == "half a last line":
        return [*lines, b'{"type":"assistant","message":{"role":"assis']
    if how == "no JSON in it":
        return [*lines[:middle], b"\x00\xff{nonsense\n", *lines[middle:]]
    if how == "unknown lines":
        new = b'{"type":"brand_new","payload":{"turn_id":7},"message":[]}\n'
        return [*lines[:middle], new, b"[1,2]\n", b"null\n", b"\n", *lines[middle:]]
    return [b"\xff\xfe garbage without end"]


@pytest.mark.parametrize("how", ["half a last line", "no JSON in it", "unknown lines"])
@pytest.mark.parametrize(
    ("agent", "folder"), [("claude-code", CLAUDE / "simple"), ("codex", CODEX / "simple")]
)
def test_a_damaged_file_gives_the_turns_that_are_in_it(
    agent: str, folder: Path, how: str, disk: Disk
) -> None:
    disk.put(folder)
    path = disk.transcript()
    path.write_bytes(b"".join(damaged(path.read_bytes().splitlines(keepends=True), how)))
    date(path)

    (done,) = disk.run(agent)
    (again,) = disk.run(agent)

    assert (done.outcome, done.turns) == ("imported", 1)
    assert again.outcome == "unchanged"
    (turn,) = disk.turns(agent)[done.session_id]
    assert (turn.status, turn.response is not None) == ("completed", True)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(disk: Disk) -> None:
    disk.put(CLAUDE / "simple")
    path = disk.transcript()
    path.with_name("00000000-0000-4000-8000-000000000000.jsonl").write_bytes(b"\xff\xfe garbage")
    path.with_name("00000000-0000-4000-8000-000000000001.jsonl").mkdir()

    done = disk.run("claude-code")

    assert [each.outcome for each in done] == ["empty", "failed", "imported"]
    assert "directory" in done[1].reason


def test_nothing_of_it_is_to_be_sent(disk: Disk) -> None:
    disk.put(CODEX / "simple")
    env = {**disk.env, "PHOENIX_ENDPOINT": "http://127.0.0.1:9"}
    assert config.load(env, agent="codex").destinations

    (done,) = import_all(disk.home, env, find(env, ["codex"]), jobs=1)

    assert done.outcome == "imported"
    with Store.open(disk.home.store) as store:
        assert store.outbox.queues() == []


def test_content_is_left_out_as_the_session_s_project_says(disk: Disk, tmp_path: Path) -> None:
    disk.put(CLAUDE / "tool_cycle")
    project = tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    path = disk.transcript()
    path.write_text(path.read_text().replace("/home/dev/order-pricing", str(project)))
    date(path)

    prompts = []
    for shown in ("true", "false"):
        settings = {"env": {"ARIZE_LOG_PROMPTS": shown}}
        (project / ".claude" / "settings.json").write_text(json.dumps(settings))
        (done,) = disk.run("claude-code")
        prompts += [turn.prompt for turn in disk.turns("claude-code")[done.session_id]]
        shutil.rmtree(disk.home.root)

    (shown, hidden) = prompts
    (prompt,) = json.loads((CLAUDE / "tool_cycle" / "expected.json").read_text())["turns"]
    assert prompt["prompt"] in (shown or "")
    assert prompt["prompt"] not in (hidden or "")


def test_where_a_project_turned_tracing_off_nothing_is_imported(disk: Disk, tmp_path: Path) -> None:
    disk.put(CLAUDE / "simple")
    project = tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    settings = {"env": {"ARIZE_TRACE_ENABLED": "false"}}
    (project / ".claude" / "settings.json").write_text(json.dumps(settings))
    path = disk.transcript()
    path.write_text(path.read_text().replace("/home/dev/order-pricing", str(project)))

    (done,) = disk.run("claude-code")

    assert (done.outcome, done.reason) == ("off", "tracing is off: ARIZE_TRACE_ENABLED")
    assert disk.turns("claude-code") == {}


def test_what_retention_would_delete_again_is_not_imported(disk: Disk) -> None:
    disk.put(CODEX / "simple")
    disk.home.root.mkdir(parents=True)
    (disk.home.root / "config.yaml").write_text("retention_days: 2\n")

    (old,) = disk.run("codex")
    disk.days = 0
    os.utime(disk.root.joinpath(old.path))
    (young,) = disk.run("codex")

    assert (old.outcome, young.outcome) == ("off", "imported")


def test_processes_side_by_side_import_what_one_does(disk: Disk) -> None:
    for name in ("simple", "tool_cycle", "tool_failure"):
        disk.put(CODEX / name)
    disk.run("codex")
    alone = disk.turns("codex")
    shutil.rmtree(disk.home.root)

    done = list(import_all(disk.home, disk.env, find(disk.env, ["codex"]), jobs=2))

    assert [each.outcome for each in done] == ["imported"] * 3
    assert disk.turns("codex") == alone


def test_where_threads_run_the_processes_are_started_anew(disk: Disk) -> None:
    for name in ("simple", "tool_cycle"):
        disk.put(CODEX / name)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()

    try:
        done = list(import_all(disk.home, disk.env, find(disk.env, ["codex"]), jobs=2))
    finally:
        over.set()
        thread.join()

    assert [each.outcome for each in done] == ["imported"] * 2


def test_a_process_that_dies_fails_what_was_not_done_and_the_next_run_takes_it(disk: Disk) -> None:
    names = ("simple", "tool_cycle", "tool_failure", "mcp_tool", "multi_turn_resume")
    for name in names:
        disk.put(CODEX / name)
    wanted = find(disk.env, ["codex"])

    running = import_all(disk.home, disk.env, wanted, jobs=2)
    for process in multiprocessing.active_children():
        process.kill()
    done = list(running)
    again = list(import_all(disk.home, disk.env, wanted, jobs=1))

    assert len(done) == len(wanted)
    assert "its process ended before it was done" in {each.reason for each in done}
    assert {each.outcome for each in again} <= {"imported", "unchanged"}
    assert set(disk.turns("codex")) == {each.session.session_id for each in wanted}


def test_after_an_interrupt_the_next_run_goes_on_to_the_same_end(disk: Disk) -> None:
    for name in ("simple", "tool_cycle", "tool_failure", "mcp_tool", "multi_turn_resume"):
        disk.put(CODEX / name)
    disk.run("codex")
    whole = disk.turns("codex")
    shutil.rmtree(disk.home.root)
    wanted = find(disk.env, ["codex"])

    running = import_all(disk.home, disk.env, wanted, jobs=2)
    first = next(running)
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt())
    stored = disk.turns("codex")
    again = list(import_all(disk.home, disk.env, wanted, jobs=2))

    assert first.session_id in stored
    outcomes = {each.session_id: each.outcome for each in again}
    expected = {name: "unchanged" if name in stored else "imported" for name in whole}
    assert (outcomes, disk.turns("codex")) == (expected, whole)


# -- together with capture


def outcomes(place: Place) -> list[str]:
    done = place.harness("import", "claude-code", "--json", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    return [each["outcome"] for each in json.loads(done.stdout)["sessions"]]


def test_what_was_captured_is_not_imported(place: Place) -> None:
    made = capture(place, "multi_turn_resume")
    assert place.flush().left == 0
    captured = place.contents()

    assert outcomes(place) == ["unchanged"] * len(made.session_ids)
    assert place.contents() == captured


@pytest.mark.parametrize("name", ["tool_cycle", "subagent_parallel"])
def test_importing_again_and_again_while_it_is_captured_changes_nothing(
    place: Place, undisturbed: Undisturbed, name: str
) -> None:
    made = Recording.ready(place, recording(name))
    seen: list[str] = []

    def before(number: int) -> None:
        with Store.open(place.home.store) as store:
            importer = Importer(place.home, place.environ(), store, time.time_ns)
            for wanted in find(place.environ(), ["claude-code"]):
                seen.append(importer.take(wanted).outcome)

    play_hooks(made, before=before)

    assert seen and "imported" not in seen, seen
    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(name))


def test_what_came_without_hooks_into_a_captured_session_is_added(place: Place) -> None:
    made = Recording.ready(place, recording("multi_turn_resume"), past=True)
    resumed = [n for n, call in enumerate(made.calls) if call.event == "SessionStart"][1]
    whole = dict(made.files)
    for path, count in made.calls[resumed].lines.items():
        made.files[place.user_home / path] = whole[place.user_home / path][:count]
    made.calls = made.calls[:resumed]
    play_hooks(made)
    assert place.flush().left == 0
    place.kill_all()  # or its worker would see the lines that come
    captured = place.turns()

    made.shown = {path: len(lines) for path, lines in made.files.items() if path in made.shown}
    made.files = whole
    made.show_all()
    assert outcomes(place) == ["imported", "imported"]

    stored = place.turns()
    assert 0 < len(captured) < len(stored)
    assert stored[: len(captured)] == captured
    expected = play(recording("multi_turn_resume"))
    wanted = [t.turn_id for collected in expected.values() for t in collected.whole()]
    assert [turn["turn_id"] for turn in stored] == wanted


def test_a_captured_conversation_without_a_reader_s_state_is_left_as_it_is(disk: Disk) -> None:
    """Cursor's lines have no ids: read anew they would be turns beside those captured."""
    disk.put(CURSOR / "tool_cycle")
    (wanted,) = find(disk.env, ["cursor"])
    session_id = wanted.session.session_id
    turn = Turn("cursor", session_id, "g", 1, "completed", DAY_NS, DAY_NS + 1)
    with Store.open(disk.home.store) as store:
        session = Session("cursor", session_id, "cursor")
        store.write(SessionChange(session, (TurnWrite(turn, True),)))

    (done,) = disk.run("cursor")

    assert (done.outcome, done.reason) == ("unchanged", "it was captured")
    assert disk.turns("cursor") == {session_id: [turn]}


def test_a_session_with_a_worker_is_left_to_it(disk: Disk) -> None:
    disk.put(CODEX / "simple")
    disk.days = 0
    os.utime(disk.transcript())
    (wanted,) = find(disk.env, ["codex"])
    folder = disk.home.session_spool("codex", wanted.session.session_id)
    folder.mkdir(parents=True)
    lock = FileLock(folder / "worker.lock")
    assert lock.acquire()

    (during,) = disk.run("codex")
    lock.release()
    (after,) = disk.run("codex")

    assert (during.outcome, after.outcome) == ("busy", "imported")


def test_an_imported_session_that_is_resumed_is_captured_from_there_on(place: Place) -> None:
    made = Recording.ready(place, recording("multi_turn_resume"), past=True)
    starts = [n for n, call in enumerate(made.calls) if call.event == "SessionStart"]
    resumed = starts[1]
    made.show(made.calls[resumed].lines)

    assert outcomes(place) == ["imported"]
    imported = [turn["turn_id"] for turn in place.turns()]
    made.calls = made.calls[resumed:]
    play_hooks(made)
    assert place.flush().left == 0

    hooks = [{"what": IMPORTED.what, "why": IMPORTED.why} in t["gaps"] for t in place.turns()]
    ids = [turn["turn_id"] for turn in place.turns()]
    assert len(ids) == len(set(ids)) > len(imported) > 0
    assert hooks == [turn_id in imported for turn_id in ids]
    expected = play(recording("multi_turn_resume"))
    assert ids == [t.turn_id for collected in expected.values() for t in collected.whole()]
