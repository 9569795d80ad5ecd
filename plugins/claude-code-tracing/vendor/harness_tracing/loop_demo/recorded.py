"""Recordings in the agent's place: what Claude Code wrote and told its hooks, played once more.

A recording is made of the demo itself, with the real client and the scripted model (see
tests/e2e/record_demo.py). Paths in it are moved to the stage, times to now.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from harness_tracing.loop_demo.stage import Stage
from harness_tracing.loop_demo.tickets import PRICING, Ticket

RECORDINGS = Path(__file__).parent / "recordings"
PROJECT, USER_HOME = "/demo/order-pricing", "/demo/home"
SLUG = "-demo-order-pricing"
_MILLISECOND = 10**6
_ISO = "%Y-%m-%dT%H:%M:%S.%fZ"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Moved:
    """Text with other paths, and with its UTC times `later_ns` later."""

    places: Mapping[str, str]
    later_ns: int

    def text(self, text: str) -> str:
        """`text` moved; it is JSON, in which a path may have to be written otherwise."""
        for old, new in self.places.items():
            text = text.replace(old, json.dumps(new, ensure_ascii=False)[1:-1])
        return _TIME.sub(self._time, text)

    def _time(self, match: re.Match[str]) -> str:
        then = datetime.strptime(match.group(), _ISO).replace(tzinfo=timezone.utc)
        moved = then + timedelta(microseconds=self.later_ns / 1000)
        return f"{moved:%Y-%m-%dT%H:%M:%S}.{moved.microsecond // 1000:03d}Z"


@dataclass(frozen=True)
class Recorded:
    """Plays each ticket's recording, as long as it took."""

    stage: Stage
    is_recorded: bool = True

    def session_id(self, ticket: Ticket) -> str:
        """That of the recording, which is the scripted one."""
        return ticket.session_id

    def work(self, ticket: Ticket) -> str:
        """Play the ticket: the agent's file, its hooks' calls, its edits; what it said."""
        path = RECORDINGS / f"{ticket.name}.json"
        recording: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        events = recording["events"]
        first_ns, last_ns = events[0]["at_ns"], events[-1]["at_ns"]
        places = {PROJECT: str(self.stage.project), USER_HOME: str(self.stage.user_home)}
        # Whole milliseconds, which the transcript has: so all lasts exactly as long as it did.
        later_ns = -((first_ns - time.time_ns()) // _MILLISECOND) * _MILLISECOND
        moved = Moved(places, later_ns)
        time.sleep((last_ns - first_ns) / 1e9)
        self._write_transcript(ticket, recording["transcript"], moved)
        self._edit(ticket)
        spool = self.stage.home.session_spool("claude-code", ticket.session_id)
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        for event in events:
            at_ns = event["at_ns"] + moved.later_ns
            file = spool / f"{event['event']}.0.{at_ns}"
            file.write_text(moved.text(json.dumps(event["payload"])), encoding="utf-8")
            os.utime(file, ns=(at_ns, at_ns))
        return str(recording["said"])

    def _write_transcript(self, ticket: Ticket, lines: list[Any], moved: Moved) -> None:
        folder = self.stage.user_home / ".claude" / "projects" / SLUG
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{ticket.session_id}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(moved.text(json.dumps(line)) + "\n" for line in lines)

    def _edit(self, ticket: Ticket) -> None:
        """The ticket's edits: what is checked and shown afterwards is as the agent left it."""
        path = self.stage.project / PRICING
        text = path.read_text(encoding="utf-8")
        for tool in (tool for step in ticket.steps for tool in step.tools if tool.name == "Edit"):
            text = text.replace(tool.arguments["old_string"], tool.arguments["new_string"], 1)
        path.write_text(text, encoding="utf-8")
