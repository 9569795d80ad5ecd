"""Make the recordings in tests/recordings/claude-code-own: the real client, the scripted model.

    python tests/e2e/record.py FOLDER [CASE...]

Each case becomes FOLDER/CASE in the format of tests/recordings: events.jsonl, home/,
expected.json, README.md. Run it again after a new client version, and read the difference.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

from claude_client import Home
from harness_tracing.loop_demo.scripted_model import MARKER, ScriptedModel
from rare_scripts import RARE_SCRIPTS
from record_cases import CASES, DUMP, Take
from record_rare_cases import RARE_CASES
from record_terminal_cases import TERMINAL_CASES
from recording_text import cleaned, spoken
from scenarios import SCRIPTS, SUMMARY

ALL_CASES = {**CASES, **RARE_CASES, **TERMINAL_CASES}


def record(name: str, folder: Path) -> None:
    """Play one case and write what it left to `folder`/`name`."""
    work = Path(tempfile.mkdtemp(prefix="record-"))
    calls = work / "calls"
    calls.mkdir()
    with ScriptedModel({**SCRIPTS, **RARE_SCRIPTS}, SUMMARY) as model:
        home = Home.fresh(work / "home", model.url)
        version = home.run("--version").stdout.split()[0]
        take = Take(home, model, calls, version)
        home.write_settings(take.hooks())
        ALL_CASES[name](take)
        time.sleep(0.5)
        write(take, ALL_CASES[name], folder / name)
    shutil.rmtree(work)


def write(take: Take, case: Callable[[Take], None], folder: Path) -> None:
    """The take as a recording folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    moved = Moved(take)
    files = moved.files()
    for name, text in files.items():
        target = folder / "home" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    events = [
        moved.event(json.loads(p.read_text()), files) for p in sorted(take.calls.glob("*.json"))
    ]
    lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    (folder / "events.jsonl").write_text(lines, encoding="utf-8")
    expected = right_answer(take, case, moved)
    text = moved.text(json.dumps(expected, indent=1)) + "\n"
    (folder / "expected.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(readme(case, expected, take), encoding="utf-8")


class Moved:
    """Rewrites what the client wrote as if the home had been /home/dev."""

    def __init__(self, take: Take):
        self.take = take
        slug = str(take.home.path).replace("/", "-").replace("_", "-").replace(".", "-")
        self.pairs = (
            (f"{shutil.which('python3')} -I {DUMP}", "python3 dump_hook.py"),
            (str(take.home.path), "/home/dev"),
            (slug, "-home-dev"),
            (str(take.calls), "/tmp/agent/calls"),
            ("/tmp/claude-0", "/tmp/agent"),
        )

    def text(self, text: str) -> str:
        """`text` without a path of this machine."""
        for old, new in self.pairs:
            text = text.replace(old, new)
        return text

    def name(self, path: Path) -> str:
        """A file's name in the recording."""
        relative = self.text(str(path.relative_to(self.take.home.path)))
        return relative.replace(".claude", "dot-claude", 1)

    def files(self) -> dict[str, str]:
        """The client's own files at the end: name in the recording -> text."""
        found = {}
        for path in sorted((self.take.home.path / ".claude" / "projects").rglob("*")):
            if path.is_file() and path.suffix == ".jsonl":
                lines = [json.loads(li) for li in path.read_text("utf-8").split("\n") if li]
                kept = (json.dumps(cleaned(line), separators=(",", ":")) for line in lines)
                found[self.name(path)] = self.text("".join(line + "\n" for line in kept))
            elif path.is_file():
                found[self.name(path)] = self.text(path.read_text("utf-8"))
        return found

    def event(self, call: dict[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
        """A hook call as a line of events.jsonl."""
        states = {}
        for path, count in call["files"].items():
            name = self.name(self.take.home.path / path)
            if name.endswith(".jsonl"):
                states[name] = _state(name, count, files)
        payload = json.dumps(spoken(json.loads(call["stdin"])), separators=(",", ":")) + "\n"
        env = {key: self.text(value) for key, value in call["env"].items()}
        return {**call, "env": env, "stdin": self.text(payload), "files": states}


def _state(name: str, lines: int, files: Mapping[str, str]) -> dict[str, Any]:
    """What an event saw of a file; one that was moved later lies under its last name."""
    last = name if name in files else _moved_to(name, files)
    shown = "".join(line + "\n" for line in files[last].split("\n")[:lines])
    state = {"bytes": len(shown.encode("utf-8")), "lines": lines}
    return state if last == name else {**state, "from": last}


def _moved_to(name: str, files: Mapping[str, str]) -> str:
    return next(each for each in files if Path(each).name == Path(name).name)


def right_answer(take: Take, case: Callable[[Take], None], moved: Moved) -> dict[str, Any]:
    """expected.json: what the server answered, and what the case knows beyond it."""
    agents = agents_by_tool(take)
    kept = replies_kept(take)
    log = [e for e in take.model.log if e["status"] == 200 and (e["complete"] or kept(e))]
    started_by = {}
    for entry in log:
        for tool in entry["tools"]:
            for marker in MARKER.findall(json.dumps(tool["input"])):
                started_by[marker] = tool["input"].get("to") or tool["id"]
    calls, tools = [], []
    for entry in log:
        agent_id, parent = agents.get(started_by.get(entry["marker"] or "", ""), (None, None))
        calls.append(_call(entry, agent_id, parent, bool(kept(entry))))
        if not entry["complete"]:
            calls[-1].update(stream_cut=True, completion=None, **kept(entry))
            continue
        for tool in entry["tools"]:
            asked = tool["name"] + json.dumps(tool["input"])
            status = next((s for part, s in take.tool_status.items() if part in asked), "ok")
            tools.append(
                {
                    "id": tool["id"],
                    "name": tool["name"],
                    "status": status,
                    "agent_id": agent_id,
                    "session_id": entry["session_id"],
                }
            )
    tokens = {
        key: sum(call[key] or 0 for call in calls)
        for key in ("prompt", "completion", "cache_read", "cache_write")
    }
    return {
        "client": "Claude Code",
        "version": take.version,
        "turns": with_prompt_ids(take),
        "model_calls": len(calls),
        "failed_model_calls": len(take.model.log) - len(log),
        "tools": tools,
        "subagents": len(set(agents.values())) + take.agents_woken,
        "tokens": {**tokens, "reasoning": None},
        "calls": calls,
        "not_known": take.not_known,
        "what": (case.__doc__ or "").strip(),
        "session_id": take.model.log[0]["session_id"],
        **dict.fromkeys(take.cannot_be_seen),
    }


def with_prompt_ids(take: Take) -> list[dict[str, Any]]:
    """The turns, with the ids that hooks gave their prompts; not every turn has a hook."""
    told = [(e["prompt"][:80], e["prompt_id"]) for e in take.events("UserPromptSubmit")]
    turns = []
    for turn in take.turns:
        own = next((each for each in told if each[0] == turn["prompt"]), None)
        if own is not None:
            told = [each for each in told if each[1] != own[1]]
        turns.append({**turn, "prompt_id": own[1] if own else None})
    return turns


def replies_kept(take: Take) -> Callable[[Mapping[str, Any]], dict[str, int]]:
    """What a transcript says a reply's output was, as {"completion_in_transcript": tokens}."""
    found = {}
    for path in (take.home.path / ".claude" / "projects").rglob("*.jsonl"):
        for line in path.read_text("utf-8").split("\n"):
            message = json.loads(line).get("message") or {} if '"assistant"' in line else {}
            if "usage" in message:
                tokens = message["usage"]["output_tokens"]
                found[message["id"]] = {"completion_in_transcript": tokens}
    return lambda entry: found.get(entry["message_id"], {})


def _call(
    entry: Mapping[str, Any], agent_id: Optional[str], parent: Optional[str], in_transcript: bool
) -> dict[str, Any]:
    usage = entry["usage"]
    written = usage["cache_write_5m"] + usage["cache_write_1h"]
    kind = {"kind": "compaction"} if entry["kind"] == "compaction" else {}
    return {
        "id": entry["message_id"],
        "request_id": entry["request_id"],
        "model": entry["model"],
        "agent_id": agent_id,
        "parent_agent_id": parent,
        "session_id": entry["session_id"],
        "in_transcript": in_transcript,
        "stop_reason": entry["stop_reason"],
        "prompt": usage["input"] + usage["cache_read"] + written,
        "completion": usage["output"],
        "cache_read": usage["cache_read"],
        "cache_write": written,
        **kind,
    }


def agents_by_tool(take: Take) -> dict[str, tuple[str, Optional[str]]]:
    """The tool call that started each sub-agent -> (agent id, parent agent id)."""
    found = {}
    for path in (take.home.path / ".claude" / "projects").rglob("*.meta.json"):
        meta = json.loads(path.read_text())
        agent_id = path.name[len("agent-") : -len(".meta.json")]
        found[meta["toolUseId"]] = (agent_id, meta.get("parentAgentId"))
    # A message wakes an agent by its id.
    return {**found, **{agent_id: (agent_id, parent) for agent_id, parent in found.values()}}


def readme(case: Callable[[Take], None], expected: Mapping[str, Any], take: Take) -> str:
    """The page that says what this recording is."""
    statuses = ", ".join(turn["status"] for turn in expected["turns"])
    tools = ", ".join(f"{tool['name']} {tool['status']}" for tool in expected["tools"]) or "none"
    tokens = expected["tokens"] or {}
    lines = [
        f"# claude-code-own / {case.__name__}",
        f"Client: Claude Code {take.version}, Linux; model replies were scripted.",
        f"Scripted: {expected['what']}",
        f"Right answer: turns {len(expected['turns'])} ({statuses});"
        f" {expected['model_calls']} completed model calls,"
        f" {expected['failed_model_calls']} failed; {expected['subagents']} sub-agents.",
        f"Tools: {tools}.",
        f"Tokens: prompt {tokens.get('prompt')} (cache read {tokens.get('cache_read')}, cache write"
        f" {tokens.get('cache_write')}), completion {tokens.get('completion')}.",
        *(f"Tricky: {note}" for note in take.notes),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Record the cases named on the command line, or all."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:] or ALL_CASES:
        print(name, flush=True)
        record(name, folder)


if __name__ == "__main__":
    main()
