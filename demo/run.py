"""`make demo`: a real Claude Code session, traced and shown as a tree, in a minute.

Claude Code comes from npm into .e2e/, talks to the scripted model on this machine and works in
a temporary home: no account, nothing of yours is read or written. Without npm a recorded session
is played through the same hooks instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from checkout import CLAUDE, HARNESS, PLUGIN, ROOT, install
from claude_client import Home
from harness_tracing.loop_demo.recorded import Moved
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS, SUMMARY

RECORDING = ROOT / "tests" / "recordings" / "claude-code" / "tool_cycle"
PROMPT = "Add a discount code SAVE25: 25 % off the goods. [[tool_cycle]]"
RECORDED_HOME = "/home/dev"


def main() -> int:
    """Run the demo; the exit code is that of the last `harness` command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--recorded", action="store_true", help="play the recording, without npm")
    parser.add_argument("--script", default="tool_cycle", choices=sorted(SCRIPTS), help="scenario")
    parser.add_argument("--keep", action="store_true", help="keep the temporary home")
    options = parser.parse_args()
    if not HARNESS.exists():
        sys.exit("there is no .venv: run `make setup`")
    folder = Path(tempfile.mkdtemp(prefix="harness-demo-")).resolve()
    try:
        if options.recorded or not have_claude():
            home, session_id = play_recording(folder)
        else:
            home, session_id = run_claude(folder, PROMPT.replace("tool_cycle", options.script))
        return show(home, session_id)
    finally:
        if options.keep:
            print(f"\nKept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def have_claude() -> bool:
    """Whether the real client is there, after an attempt to install it from npm."""
    if CLAUDE.exists():
        return True
    if shutil.which("npm") is None:
        say("npm was not found: playing a recorded session instead of a live one.")
        return False
    say("Installing Claude Code from npm into .e2e/ (once) …")
    done = subprocess.run(["make", "-s", "setup-e2e"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode or not CLAUDE.exists():
        last = (done.stderr or done.stdout).strip().split("\n")[-1]
        say(f"npm could not install Claude Code ({last}): playing a recorded session instead.")
        return False
    return True


def run_claude(folder: Path, prompt: str) -> tuple[Home, str]:
    """One `claude -p` with the plugin, in a copy of order-pricing; the home and the session id."""
    session_id = str(uuid.uuid4())
    with ScriptedModel(SCRIPTS, SUMMARY) as model:
        home = Home.fresh(folder / "home", model.url, CLAUDE_CODE_MAX_RETRIES="2")
        home.always = ("--plugin-dir", str(PLUGIN))
        install(home.path / ".arize" / "harness")
        say(f"$ claude -p {prompt.split(' [[')[0]!r}")
        done = home.prompt(prompt, session_id=session_id)
    print(done.stdout.strip() or done.stderr.strip())
    return home, session_id


def play_recording(folder: Path) -> tuple[Home, str]:
    """Give a recorded session's hook calls to the lines that Claude Code would run."""
    say("$ # replaying tests/recordings/claude-code/tool_cycle through the same hooks")
    home = Home.fresh(folder / "home", model_url="")
    lines = (RECORDING / "events.jsonl").read_text("utf-8").split("\n")
    events = [json.loads(line) for line in lines if line]
    names = {event["event"] for event in events}
    hooks = {name: registered(home, name) for name in names}
    now = Now({RECORDED_HOME: str(home.path)}, time.time_ns() - events[0]["at_ns"], home)
    for event in events:
        time.sleep(max(0, event["at_ns"] + now.later_ns - time.time_ns()) / 1e9)
        lay_out_files(now, event["files"])
        if hooks[event["event"]]:
            run_hook(now, hooks[event["event"]], event)
    lay_out_files(now, None)
    return home, str(json.loads(events[0]["stdin"])["session_id"])


@dataclass(frozen=True)
class Now(Moved):
    """Moves what was recorded to this home and to the present."""

    home: Home


def lay_out_files(now: Now, states: Optional[dict[str, dict[str, int]]]) -> None:
    """The agent's files as they were at an event; None: as they were at the end."""
    source = RECORDING / "home"
    for path in filter(Path.is_file, source.rglob("*")):
        name = str(path.relative_to(source))
        if states is not None and name not in states:
            continue
        content = path.read_bytes()[: None if states is None else states[name]["bytes"]]
        target = now.home.path / name.replace("dot-", ".", 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = now.text(content.decode("utf-8")).encode("utf-8")
        known = target.stat().st_size if target.exists() else 0
        with target.open("ab") as file:  # as the client does: lines are only added
            file.write(text[known:])


def registered(home: Home, event: str) -> str:
    """The line registered for an event; empty when there is none."""
    words = ("hook-command", "claude-code", event)
    return str(harness(home, *words, capture_output=True).stdout).strip()


def run_hook(now: Now, line: str, event: dict[str, Any]) -> None:
    """Run a hook as the client did, in its environment."""
    env = {name: now.text(value) for name, value in event["env"].items()}
    env["CLAUDE_PID"] = str(os.getpid())
    command = ["/bin/sh", "-c", line]
    subprocess.run(command, input=now.text(event["stdin"]), text=True, env=now.home.env(**env))


def harness(home: Home, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run this checkout's `harness` in the home."""
    env = home.env(COLUMNS=str(shutil.get_terminal_size((100, 24)).columns))
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        env["TERM"] = os.environ.get("TERM", "xterm-256color")
    return subprocess.run([str(HARNESS), *words], env=env, text=True, **options)


def show(home: Home, session_id: str) -> int:
    """Store what was captured and print the session as a tree."""
    flushed = harness(home, "flush", "--wait", capture_output=True)
    if flushed.returncode:
        print(flushed.stderr, file=sys.stderr)
    say(f"$ harness sessions show {session_id}")
    return harness(home, "sessions", "show", session_id).returncode


def say(text: str) -> None:
    """A line of our own, set apart from what the commands print."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
